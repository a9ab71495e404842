//! Packets that make no sense are refused or end their own channel; the gateway, its memory and everybody else's session stay as they were.

use testkit::{
    Stack, Tenant,
    gateway::Gateway,
    packets::{Answer, Sftp, fields, flag, kind, packet, status},
    ssh::Ssh,
};

const MIB: u64 = 1024 * 1024;
/// What hundreds of broken requests may leave behind in an allocator that gives nothing back.
const GROWTH_MAX: u64 = 64 * MIB;
/// See `gateway::sftp::packet`: what one channel may hold open.
const HANDLES: usize = 64;
const OPENS: usize = 10_000;
/// Requests under way at once.
const AT_ONCE: usize = 1000;

async fn login(gateway: &Gateway, tenant: &Tenant) -> Ssh {
    let mut ssh = Ssh::connect(&gateway.address, &tenant.slug).await;
    assert!(ssh.key(&tenant.ssh_key).await.success());
    ssh
}

/// Whether a session works: nothing else shows that a server is well.
async fn works(sftp: &mut Sftp) {
    assert_eq!(sftp.get("/Exports/a.csv").await.unwrap(), b"0123456789");
}

/// Bytes after which there is no next packet to be found, each on a channel of its own.
fn endings() -> Vec<(&'static str, Vec<u8>)> {
    let lengths = [0, 1, 4, 256 * 1024 + 1, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    let mut endings: Vec<_> =
        lengths.iter().map(|length| ("length", length.to_be_bytes().to_vec())).collect();
    let followed = |length: u32| [&length.to_be_bytes()[..], &[kind::STAT; 64]].concat();
    endings.push(("length 0 with more behind it", followed(0)));
    endings.push(("length 2^31 with more behind it", followed(0x8000_0000)));
    endings.push(("another protocol", b"GET / HTTP/1.1\r\nHost: files\r\n\r\n".to_vec()));
    endings
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_framing() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "frames").await;
    tenant.aws.put(&tenant.bucket, "Exports/a.csv", b"0123456789".as_slice()).await;
    let gateway = Gateway::start(&stack, &[]).await;
    let (steady, ssh) = (login(&gateway, &tenant).await, login(&gateway, &tenant).await);
    let mut bystander = steady.sftp().await;
    works(&mut bystander).await;
    let before = gateway.resident();

    for (what, bytes) in endings() {
        let mut sftp = ssh.sftp().await;
        sftp.send_bytes(&bytes).await;
        assert_eq!(sftp.receive().await.1, Answer::Ended, "{what}: {:?}", &bytes[..4]);
        works(&mut bystander).await;
    }
    // A packet that never becomes whole holds no more than itself, and its connection may go.
    for _ in 0..8 {
        let cut = login(&gateway, &tenant).await;
        let mut sftp = cut.sftp().await;
        sftp.send_bytes(&packet(kind::STAT, &vec![0; 200_000])[..100_000]).await;
        drop(sftp);
        drop(cut);
    }
    works(&mut bystander).await;
    assert!(gateway.resident() < before + GROWTH_MAX, "{} MiB", gateway.resident() / MIB);
}

/// Packets with a sound length and an unsound body: each is answered, under its own id where it has one.
fn bodies() -> Vec<(&'static str, u8, Vec<u8>)> {
    let long = |text: &[u8]| [&u32::try_from(text.len()).unwrap().to_be_bytes()[..], text].concat();
    let mut bodies = vec![
        ("an unknown type", 99, Vec::new()),
        ("an answer's type", 101, vec![0; 12]),
        ("a version", 2, vec![0, 0, 0, 3]),
        ("type 0", 0, Vec::new()),
        ("type 255", 255, vec![7; 100]),
        ("a path longer than its packet", kind::STAT, vec![0, 0, 1, 0, b'x']),
        ("a path of 2^32-1 bytes", kind::STAT, vec![0xff, 0xff, 0xff, 0xff, b'x']),
        ("a path that is no UTF-8", kind::STAT, long(b"\xff\xfe")),
        ("an open without flags", kind::OPEN, long(b"/Incoming/x")),
        ("a write without data", kind::WRITE, [long(b"1"), vec![0; 8]].concat()),
        (
            "a write whose data is longer than it",
            kind::WRITE,
            [long(b"1"), vec![0; 8], vec![0, 0, 0xff, 0xff]].concat(),
        ),
        ("a read without length", kind::READ, [long(b"1"), vec![0; 8]].concat()),
        ("attributes cut short", kind::SETSTAT, [long(b"/Incoming/x"), vec![0, 0, 0, 15, 0]].concat()),
        (
            "attributes without end",
            kind::SETSTAT,
            [long(b"/x"), vec![0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]].concat(),
        ),
        ("an extension without name", kind::EXTENDED, Vec::new()),
        ("an unknown extension", kind::EXTENDED, long(b"shell@example.com")),
        (
            "a rename to nowhere",
            kind::EXTENDED,
            [long(b"posix-rename@openssh.com"), long(b"/Incoming/x")].concat(),
        ),
        ("a copy of nothing", kind::EXTENDED, long(b"copy-data")),
    ];
    // Every request of the protocol, empty.
    bodies.extend((kind::OPEN..=kind::SYMLINK).map(|kind| ("an empty request", kind, Vec::new())));
    bodies
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_requests() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "broken").await;
    tenant.aws.put(&tenant.bucket, "Exports/a.csv", b"0123456789".as_slice()).await;
    let gateway = Gateway::start(&stack, &[]).await;
    let ssh = login(&gateway, &tenant).await;
    let mut sftp = ssh.sftp().await;
    for (what, kind, body) in bodies() {
        let id = sftp.send(kind, fields().raw(&body)).await;
        let (answered, answer) = sftp.receive().await;
        // What no client sends at all has no id to be answered under.
        assert!(answered == id || [2, 101].contains(&kind), "{what}: an answer to another request");
        let code = answer.refused();
        let codes = [status::FAILURE, status::BAD_MESSAGE, status::OP_UNSUPPORTED, status::NO_SUCH_FILE];
        assert!(codes.contains(&code), "{what}: {answer:?}");
    }
    works(&mut sftp).await;

    // Handles of the wrong kind, used up, and unknown.
    let flags = flag::WRITE | flag::CREATE;
    let reading = sftp.open("/Exports/a.csv", flag::READ).await.handle();
    let writing = sftp.open("/Incoming/new", flags).await.handle();
    let listing = sftp.ask_one(kind::OPENDIR, "/Exports").await.handle();
    assert_eq!(sftp.read(&writing, 0, 10).await.refused(), status::FAILURE);
    assert_eq!(sftp.write(&reading, 0, b"x").await.refused(), status::FAILURE);
    assert_eq!(sftp.write(&listing, 0, b"x").await.refused(), status::FAILURE);
    assert_eq!(sftp.read(&listing, 0, 10).await.refused(), status::FAILURE);
    assert_eq!(sftp.ask_one(kind::READDIR, &reading).await.refused(), status::FAILURE);
    assert_eq!(sftp.ask_one(kind::READDIR, &listing).await.names().len(), 1);
    for _ in 0..3 {
        assert_eq!(sftp.ask_one(kind::READDIR, &listing).await.refused(), status::EOF);
    }
    // A length is a wish: what is there comes, and as much as a packet holds.
    assert_eq!(sftp.read(&reading, 0, u32::MAX).await.data(), b"0123456789".as_slice());
    for offset in [10, u64::from(u32::MAX), 1 << 62, u64::MAX] {
        assert_eq!(sftp.read(&reading, offset, u32::MAX).await.refused(), status::EOF, "{offset}");
    }
    assert!(matches!(sftp.read(&reading, 3, 0).await, Answer::Data(_) | Answer::Status(status::EOF, _)));
    for handle in [&reading, &listing, &writing] {
        sftp.close(handle).await.done();
        assert_eq!(sftp.close(handle).await.refused(), status::FAILURE, "closed twice");
    }
    assert_eq!(sftp.write(&writing, u64::MAX, b"x").await.refused(), status::FAILURE);
    // The largest offset there is, and one byte behind it.
    let writing = sftp.open("/Incoming/far", flags).await.handle();
    for offset in [u64::MAX, u64::MAX - 1, 1 << 40] {
        assert!(sftp.write(&writing, offset, b"xy").await.code().is_some(), "{offset}");
    }
    let _ = sftp.close(&writing).await;
    assert_eq!(tenant.aws.keys(&tenant.bucket, "Incoming/far").await, Vec::<String>::new());
    works(&mut sftp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_handles() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "handles").await;
    tenant.aws.put(&tenant.bucket, "Exports/a.csv", b"0123456789".as_slice()).await;
    let gateway = Gateway::start(&stack, &[]).await;
    let (steady, ssh) = (login(&gateway, &tenant).await, login(&gateway, &tenant).await);
    let mut bystander = steady.sftp().await;
    works(&mut bystander).await;
    let mut sftp = ssh.sftp().await;
    let before = gateway.resident();
    let mut handles = Vec::new();
    for _ in 0..OPENS / AT_ONCE {
        for _ in 0..AT_ONCE {
            sftp.send(kind::OPENDIR, fields().string("/")).await;
        }
        for _ in 0..AT_ONCE {
            match sftp.receive().await.1 {
                Answer::Handle(handle) => handles.push(handle),
                refused => assert_eq!(refused.refused(), status::FAILURE),
            }
        }
    }
    assert_eq!(handles.len(), HANDLES);
    sftp.open("/Exports/a.csv", flag::READ).await.refused();
    works(&mut bystander).await;
    sftp.close(&handles[0]).await.done();
    works(&mut sftp).await;

    // As many requests at once as the channel takes, and their answers only then.
    let mut asked = Vec::new();
    for _ in 0..AT_ONCE {
        asked.push(sftp.send(kind::REALPATH, fields().string("/Incoming/../Exports")).await);
    }
    for id in asked {
        let (answered, answer) = sftp.receive().await;
        assert_eq!((answered, &answer.names()[0].0[..]), (id, "/Exports"));
    }
    assert!(gateway.resident() < before + GROWTH_MAX, "{} MiB", gateway.resident() / MIB);

    // Channels, too, are bounded, and a connection that has them all works on.
    let mut channels = Vec::new();
    for _ in 0..100 {
        match ssh.handle.channel_open_session().await {
            Ok(channel) => channels.push(channel),
            Err(_) => break,
        }
    }
    assert!(channels.len() < 20, "{} channels", channels.len());
    works(&mut sftp).await;
}
