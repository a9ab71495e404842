//! The program between a test and its Chromium.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// For Chromium to end in order.
const FAREWELL: Duration = Duration::from_secs(10);

/// A process of its own on a loopback port of its own.
pub(super) struct Chromedriver {
    pub(super) url: String,
    /// Which is ended with it.
    pub(super) session: Option<String>,
    child: Child,
    port: u16,
    profile: TempDir,
}

impl Chromedriver {
    pub(super) fn start() -> Self {
        let mut command = Command::new("/usr/bin/chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Its Chromium belongs to its group.
        let mut child = command.process_group(0).spawn().expect("chromedriver is installed");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        let port = port.expect("chromedriver says where it listens");
        // It must not wait for somebody to read what it says.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().unwrap();
        Self { url: format!("http://127.0.0.1:{port}"), session: None, child, port, profile }
    }

    pub(super) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn capabilities(&self, preferences: &Value) -> Value {
        let arguments = [
            "--headless=new",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--force-color-profile=srgb",
            // Names are nobody's, and addresses this machine's.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
            // It shows our own pages alone; root and many containers have no sandbox for it.
            "--no-sandbox",
        ];
        let profile = format!("--user-data-dir={}", self.profile.path().display());
        let arguments: Vec<&str> = arguments.into_iter().chain([profile.as_str()]).collect();
        json!({
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": "/usr/bin/chromium", "args": arguments, "prefs": preferences},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "timeouts": {"pageLoad": 60_000, "script": 60_000},
        })
    }

    /// Ends Chromium in order. Drops run where nothing can be awaited.
    fn end_session(&self) -> std::io::Result<()> {
        let Some(session) = &self.session else { return Ok(()) };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(FAREWELL))?;
        write!(
            stream,
            "DELETE /session/{session} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
            self.port
        )?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    }
}

impl Drop for Chromedriver {
    fn drop(&mut self) {
        let _ = self.end_session();
        // Whoever is left of the group.
        let _ = Command::new("kill")
            .args(["-KILL", "--", &format!("-{}", self.child.id())])
            .stderr(Stdio::null())
            .status();
        let _ = self.child.wait();
    }
}
