//! A gateway of a test's own, beside the stack's: to end it, to measure it, or to point it somewhere else.

use std::{fs::File, net::TcpListener, path::PathBuf, process::Stdio};

use localstack::{Address, Stack};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::wait;

/// A running process of the gateway; killed at the end of the test.
pub struct Gateway {
    process: Child,
    pub address: Address,
    pub log: PathBuf,
}

impl Gateway {
    /// On the stack's servers, with what is overridden in its environment.
    pub async fn start(stack: &Stack, environment: &[(&str, &str)]) -> Self {
        // Somebody may take the port before the gateway does.
        for _ in 0..3 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(gateway) = Self::listening(stack, environment, port).await {
                return gateway;
            }
        }
        panic!("no gateway starts; see {}", stack.log_dir.display());
    }

    async fn listening(stack: &Stack, environment: &[(&str, &str)], port: u16) -> Option<Self> {
        let address = Address { host: "127.0.0.1".to_owned(), port };
        let log = stack.log_dir.join(format!("gateway-{port}.log"));
        let output = File::create(&log).unwrap();
        let mut command = Command::new(stack.binaries.join("gateway"));
        command
            .env_clear()
            .envs(&stack.deployment.environment)
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("AWS_REGION", &stack.region)
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("GATEWAY_LISTEN", format!("127.0.0.1:{port}"))
            .env("GATEWAY_HOST_KEY_SECRET", &stack.deployment.secrets["gateway-host-key"])
            .envs(environment.iter().copied());
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let process = command.kill_on_drop(true).spawn().expect("the gateway is built");
        let mut gateway = Self { process, address, log };
        let answers = wait::until("the gateway to listen or to end", async || {
            if gateway.process.try_wait().unwrap().is_some() {
                return Some(false);
            }
            TcpStream::connect(("127.0.0.1", port)).await.is_ok().then_some(true)
        });
        answers.await.then_some(gateway)
    }

    /// The stack, with this gateway in place of its own.
    pub fn stack(&self, stack: &Stack) -> Stack {
        Stack { sftp: self.address.clone(), ..stack.clone() }
    }

    /// Sends a signal by its name without SIG.
    pub async fn signal(&self, name: &str) {
        let pid = self.process.id().expect("the gateway runs").to_string();
        let status =
            Command::new("sh").args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &pid]).status().await;
        assert!(status.unwrap().success());
    }

    /// Waits until it has ended; whether as it should.
    pub async fn ended(&mut self) -> bool {
        self.process.wait().await.unwrap().success()
    }

    /// Memory that it holds now, in bytes.
    pub fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most memory that it has held, in bytes.
    pub fn resident_peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, field: &str) -> u64 {
        let pid = self.process.id().expect("the gateway runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}
