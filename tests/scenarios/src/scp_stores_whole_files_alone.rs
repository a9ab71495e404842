//! The old SCP protocol by hand: what no client of good will sends, and what breaks off, leaves nothing and spoils nothing.

use testkit::{
    Stack, Tenant, audit,
    ssh::{Ssh, granted},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const OK: &[u8] = &[0];

/// A command under way, as a client's side of it.
struct Scp<S> {
    stream: S,
    /// Ends with it.
    _ssh: Ssh,
}

impl<S: AsyncReadExt + AsyncWriteExt + Unpin> Scp<S> {
    async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// One answer: a byte, and its words if it has any.
    async fn hear(&mut self) -> (u8, String) {
        let kind = self.stream.read_u8().await.unwrap();
        let mut words = Vec::new();
        while kind != 0 && words.last() != Some(&b'\n') {
            words.push(self.stream.read_u8().await.unwrap());
        }
        (kind, String::from_utf8(words).unwrap())
    }

    async fn goes_on(&mut self) {
        assert_eq!(self.hear().await, (0, String::new()));
    }

    async fn warns(&mut self, of: &str) {
        let (kind, words) = self.hear().await;
        assert!(kind == 1 && words.starts_with("scp: ") && words.contains(of), "{kind} {words}");
    }

    async fn has_ended(mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty(), "{rest:?}");
    }
}

async fn scp(tenant: &Tenant, command: &str) -> Scp<impl AsyncReadExt + AsyncWriteExt + Unpin> {
    let ssh = tenant.ssh().await;
    let mut channel = ssh.channel().await;
    channel.exec(true, command).await.unwrap();
    assert!(granted(&mut channel).await, "{command}");
    Scp { stream: channel.into_stream(), _ssh: ssh }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "scphalf").await;
    for (name, sent) in [("small.csv", 5), ("large.csv", 9_000_000)] {
        let mut client = scp(&tenant, "scp -t Incoming").await;
        client.goes_on().await;
        client.say(format!("C0644 20000000 {name}\n")).await;
        client.goes_on().await;
        client.say(vec![b'x'; sent]).await;
        drop(client);
        let key = format!("Incoming/{name}");
        let line = audit::newest(&tenant, "upload", &key, |line| line.result == "broken off").await;
        // What the client has not sent off itself when it goes is lost with it.
        let bytes = line.bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap();
        assert!(bytes <= sent, "{line:?}");
    }
    // Whole, but for the client's word that it was.
    let mut client = scp(&tenant, "scp -t Incoming").await;
    client.goes_on().await;
    client.say("C0644 2 nod.csv\n").await;
    client.goes_on().await;
    client.say("ab").await;
    drop(client);
    audit::newest(&tenant, "upload", "Incoming/nod.csv", |line| line.result == "broken off").await;
    assert_eq!(tenant.aws.keys(&tenant.bucket, "").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_the_client_cannot_read_or_may_not_send() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "scpbad").await;
    let mut client = scp(&tenant, "scp -p -r -t Incoming").await;
    client.goes_on().await;
    client.say("C0644 999999999999 huge.csv\n").await;
    client.warns("256 GiB").await;
    client.say("C0644 3 unread.csv\n").await;
    client.goes_on().await;
    client.say("\0\0\0\x01scp: unread.csv: Input/output error\n").await;
    client.warns("unread.csv").await;
    client.say(b"C0644 3 \xff\xfe\n").await;
    client.warns("UTF-8").await;
    client.say("\x01scp: gone.csv: No such file or directory\n").await;
    // Control characters are shown as none.
    client.say("C0644 3 a\tb\x1b[2J\n").await;
    client.warns("a?b?[2J").await;
    // Whatever failed, the next one is stored.
    client.say("T1183828267 0 1183828267 0\n").await;
    client.goes_on().await;
    client.say("C0600 3 good.csv\n").await;
    client.goes_on().await;
    client.say([b"abc", OK].concat()).await;
    client.goes_on().await;
    for folder in ["D0755 0 folder\n", "D0755 0 empty\n"] {
        client.say(folder).await;
        client.goes_on().await;
    }
    client.say("E\n").await;
    client.goes_on().await;
    client.say("C0644 0 in\n").await;
    client.goes_on().await;
    client.say(OK).await;
    client.goes_on().await;
    client.say("E\n").await;
    client.goes_on().await;
    // A file is no folder, and a folder no file.
    client.say("D0755 0 good.csv\n").await;
    client.warns("good.csv").await;
    client.say("C0644 3 folder\n").await;
    client.warns("folder").await;
    drop(client);
    // A folder of Incoming is one without its path, too.
    let mut client = scp(&tenant, "scp -d -t folder/").await;
    client.goes_on().await;
    client.say("C0644 0 bare\n").await;
    client.goes_on().await;
    client.say(OK).await;
    client.goes_on().await;
    drop(client);
    let stored = tenant.aws.keys(&tenant.bucket, "").await;
    let expected =
        ["Incoming/folder/bare", "Incoming/folder/empty/", "Incoming/folder/in", "Incoming/good.csv"];
    assert_eq!(stored, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_upload() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "scpevil").await;
    for (command, line) in [
        ("scp -t Incoming", "C0644 3 ../Exports/x.csv\n"),
        ("scp -t Incoming", "C0644 3 ..\n"),
        ("scp -t Incoming", "C0644 3 /x.csv\n"),
        ("scp -t Incoming", "C0644 3 x\0.csv\n"),
        ("scp -r -t Incoming", "D0755 0 ..\n"),
        ("scp -t Incoming", "D0755 0 folder\n"),
        ("scp -t Incoming", "C0644 -3 x.csv\n"),
        ("scp -t Incoming", "GET / HTTP/1.1\r\n"),
        ("scp -t Incoming", "\n"),
    ] {
        let mut client = scp(&tenant, command).await;
        client.goes_on().await;
        client.say(line).await;
        let (kind, words) = client.hear().await;
        assert!(kind == 2 && words.starts_with("scp: "), "{line}: {kind} {words}");
        client.has_ended().await;
    }
    let mut client = scp(&tenant, "scp -t Incoming").await;
    client.goes_on().await;
    client.say(vec![b'C'; 100_000]).await;
    client.has_ended().await;
    for command in ["scp -t Exports", "scp -r -t /", "scp -t /Finished/x.csv"] {
        let mut client = scp(&tenant, command).await;
        client.goes_on().await;
        client.say("C0644 3 Exports\n").await;
        client.warns("").await;
    }
    for command in ["scp -t /etc/x", "scp -d -t Incoming/none", "scp -t Incoming/../../x/y"] {
        let mut client = scp(&tenant, command).await;
        client.warns("").await;
        client.has_ended().await;
    }
    assert_eq!(tenant.aws.keys(&tenant.bucket, "").await, [""; 0]);
}
