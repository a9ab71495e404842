//! Behind a login there is SFTP and SCP, and nothing else: no shell, no program, no forwarding, no agent, no terminal.

use testkit::{
    Stack, Tenant,
    ssh::{exec, granted, shell},
};

#[tokio::test(flavor = "multi_thread")]
async fn everything_else_is_refused() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "nothing").await;
    let ssh = tenant.ssh().await;

    let forwarded = ssh.handle.channel_open_direct_tcpip("127.0.0.1", 5432, "127.0.0.1", 4000).await;
    assert!(forwarded.is_err(), "a connection through the gateway");
    let forwarded = ssh.handle.channel_open_direct_streamlocal("/var/run/postgresql/.s.PGSQL.5432").await;
    assert!(forwarded.is_err(), "a socket through the gateway");
    assert!(ssh.handle.channel_open_x11("127.0.0.1", 6000).await.is_err());
    for address in ["127.0.0.1", "0.0.0.0", "", "localhost"] {
        assert!(ssh.handle.tcpip_forward(address, 0).await.is_err(), "the gateway listens on {address}");
    }
    assert!(ssh.handle.streamlocal_forward("/tmp/gateway.sock").await.is_err());
    assert!(ssh.handle.send_global_request("unknown@example.com", b"x", true).await.is_err());

    // A channel after the other, as many as a connection may have at once and more: refusals take no place.
    for number in 0..12_u32 {
        let mut channel = ssh.channel().await;
        match number {
            0 => channel.request_subsystem(true, "shell").await.unwrap(),
            1 => channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap(),
            2 => channel.request_x11(true, false, "MIT-MAGIC-COOKIE-1", "00", 0).await.unwrap(),
            3 => channel.set_env(true, "LD_PRELOAD", "/tmp/x.so").await.unwrap(),
            4 => channel.agent_forward(true).await.unwrap(),
            5 => channel.request_subsystem(true, "netconf").await.unwrap(),
            6 => channel.request_subsystem(true, "SFTP").await.unwrap(),
            7 => channel.request_subsystem(true, "sftp\0").await.unwrap(),
            8 => channel.request_subsystem(true, "").await.unwrap(),
            9 => channel.request_subsystem(true, "../sftp").await.unwrap(),
            10 => channel.request_subsystem(true, "x".repeat(30_000)).await.unwrap(),
            _ => channel.request_subsystem(true, "scp").await.unwrap(),
        }
        assert!(!granted(&mut channel).await, "request number {number} is granted");
        channel.close().await.unwrap();
    }
    let answer = shell(&ssh).await;
    assert!(answer.as_ref().is_none_or(|(code, _)| *code != 0), "a shell: {answer:?}");
    for command in
        ["", "id", "/bin/sh", "sh -c 'echo uid=0'", "scp -t /; id", "env", "sftp", "scp -S id -t /"]
    {
        let answer = exec(&ssh, command).await;
        assert!(answer.as_ref().is_none_or(|(code, _)| *code != 0), "{command}: {answer:?}");
        assert!(!format!("{answer:?}").contains("uid="), "{command}");
    }

    // A refused request spoils neither its channel nor the connection.
    let mut channel = ssh.channel().await;
    channel.request_pty(true, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    assert!(!granted(&mut channel).await);
    channel.request_subsystem(true, "sftp").await.unwrap();
    assert!(granted(&mut channel).await);
    let mut sftp = testkit::packets::Sftp::begin(channel).await;
    assert_eq!(sftp.list("/Incoming").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_before_a_login() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "before").await;
    let mut ssh = testkit::ssh::Ssh::connect(&stack.sftp, &tenant.slug).await;
    assert!(ssh.handle.channel_open_session().await.is_err());
    let mut ssh_again = testkit::ssh::Ssh::connect(&stack.sftp, &tenant.slug).await;
    let none = ssh_again.handle.authenticate_none(&tenant.slug).await.unwrap();
    assert!(!none.success());
    // A connection that asked for a channel too early has none; it may be ended, and never let in without a login.
    let _ = ssh.handle.tcpip_forward("127.0.0.1", 0).await.expect_err("a forwarding without a login");
    drop(ssh.password("wrong"));
}
