//! Two tenants at once: whatever path, link, handle, bucket or pattern one of them sends, the files of the other are neither seen nor
//! changed, and every attempt is in the audit.

use std::collections::BTreeMap;

use testkit::{
    Stack, Tenant, audit,
    packets::{Answer, Sftp, fields, flag, kind, status},
    ssh::{Ssh, exec},
};

const SECRET: &[u8] = b"anna@example.com;only the other tenant may read this";
const NAME: &str = "secret.csv";
/// Handles that are guessed; the gateway's are numbers from 1.
const GUESSES: u32 = 50;

/// A tenant whose files another one will reach for, as they stand.
struct Target {
    tenant: Tenant,
    before: BTreeMap<String, Vec<u8>>,
}

impl Target {
    async fn new(stack: &Stack) -> Self {
        let tenant = Tenant::new(stack, "target").await;
        for folder in ["Incoming", "Finished", "Invalids", "Exports"] {
            tenant.aws.put(&tenant.bucket, &format!("{folder}/{NAME}"), SECRET).await;
        }
        let before = Self::objects(&tenant).await;
        assert_eq!(before.len(), 4);
        Self { tenant, before }
    }

    async fn objects(tenant: &Tenant) -> BTreeMap<String, Vec<u8>> {
        let mut objects = BTreeMap::new();
        for key in tenant.aws.keys(&tenant.bucket, "").await {
            let bytes = tenant.aws.get(&tenant.bucket, &key).await.unwrap();
            objects.insert(key, bytes);
        }
        objects
    }

    async fn is_untouched(&self) {
        assert!(Self::objects(&self.tenant).await == self.before, "the other tenant's files have changed");
    }

    /// Paths by which somebody would try to get out of a folder, a bucket or a disk. None of them names a file of who sends it.
    fn paths(&self) -> Vec<Vec<u8>> {
        let (bucket, slug) = (&self.tenant.bucket, &self.tenant.slug);
        let mut paths: Vec<Vec<u8>> = [
            "../BUCKET/Incoming/secret.csv",
            "../../../../BUCKET/Incoming/secret.csv",
            "/BUCKET/Incoming/secret.csv",
            "//BUCKET//Incoming//secret.csv",
            "/../BUCKET/Exports/secret.csv",
            "/Incoming/../../BUCKET/Incoming/secret.csv",
            "/Incoming/./.././../BUCKET/./Finished/secret.csv",
            "/Incoming//..//..//BUCKET//Incoming//secret.csv",
            "/Incoming/%2e%2e/%2e%2e/BUCKET/Incoming/secret.csv",
            "/Incoming/%2e%2e%2f%2e%2e%2fBUCKET%2fIncoming%2fsecret.csv",
            "/Incoming/%252e%252e/BUCKET/Incoming/secret.csv",
            "/Incoming/..%2f..%2fBUCKET/Incoming/secret.csv",
            "/Incoming/..;/..;/BUCKET/Incoming/secret.csv",
            "\\..\\BUCKET\\Incoming\\secret.csv",
            "/Incoming\\..\\..\\BUCKET\\Incoming\\secret.csv",
            "\\\\BUCKET\\Incoming\\secret.csv",
            "s3://BUCKET/Incoming/secret.csv",
            "arn:aws:s3:::BUCKET/Incoming/secret.csv",
            "~SLUG/Incoming/secret.csv",
            "/home/SLUG/Incoming/secret.csv",
            "/Incoming/\u{2025}/\u{2025}/BUCKET/Incoming/secret.csv",
            "/Incoming/\u{ff0e}\u{ff0e}/BUCKET/Incoming/secret.csv",
            "/Incoming/../BUCKET?prefix=Incoming/secret.csv",
            "/Incoming/\0/../../BUCKET/Incoming/secret.csv",
            "/Incoming/secret.csv\0.txt",
            "/Incoming/secret.csv",
            "/etc/passwd",
            "/proc/self/environ",
            "../../../../etc/passwd",
        ]
        .iter()
        .map(|path| path.replace("BUCKET", bucket).replace("SLUG", slug).into_bytes())
        .collect();
        // Overlong forms of `.` and `/`, which no decoder may take, and a name in another encoding.
        for dots in
            [b"\xc0\xae\xc0\xae".as_slice(), b"\xe0\x80\xae\xe0\x80\xae", b"..\xc0\xaf..", b"\xff\xfe"]
        {
            paths.push([b"/Incoming/", dots, b"/", bucket.as_bytes(), b"/Incoming/secret.csv"].concat());
        }
        paths
    }
}

fn shows_nothing(answer: &Answer, path: &[u8]) {
    let told = format!("{answer:?}");
    assert!(!told.contains("only the other tenant"), "{}: {told}", String::from_utf8_lossy(path));
}

/// Everything that can be asked with one path, changing nothing of who asks.
async fn reach(sftp: &mut Sftp, path: &[u8]) {
    let parent = path.iter().rposition(|byte| *byte == b'/').map_or(path, |end| &path[..end]);
    for (kind, path) in [
        (kind::STAT, path),
        (kind::LSTAT, path),
        (kind::OPENDIR, path),
        (kind::OPENDIR, parent),
        (kind::REMOVE, path),
        (kind::RMDIR, path),
        (kind::RMDIR, parent),
        (kind::READLINK, path),
    ] {
        let answer = sftp.ask_one(kind, path).await;
        if kind == kind::OPENDIR && matches!(answer, Answer::Handle(_)) {
            // The folder above a name without any is our own Incoming.
            let entries = sftp.ask_one(kind::READDIR, answer.handle()).await;
            shows_nothing(&entries, path);
            assert!(!format!("{entries:?}").contains(NAME));
            continue;
        }
        shows_nothing(&answer, path);
        assert_ne!(answer.refused(), status::EOF, "{}", String::from_utf8_lossy(path));
    }
    let refused = sftp.open(path, flag::READ).await;
    shows_nothing(&refused, path);
    refused.refused();
    sftp.ask(kind::SETSTAT, fields().string(path).size(0)).await.refused();
    sftp.rename(path, "/Incoming/stolen.csv").await.refused();
    let both = fields().string(path).string("/Incoming/stolen.csv");
    sftp.extended("posix-rename@openssh.com", both.clone()).await.refused();
    sftp.extended("hardlink@openssh.com", both.clone()).await.refused();
    // OpenSSH's order: the target, then the link's own path.
    sftp.ask(kind::SYMLINK, both).await.refused();
    sftp.extended("lsetstat@openssh.com", fields().string(path).size(0)).await.refused();
}

#[tokio::test(flavor = "multi_thread")]
async fn by_no_path() {
    let stack = Stack::from_env().unwrap();
    let (thief, target) = (Tenant::new(&stack, "thief").await, Target::new(&stack).await);
    let ssh = thief.ssh().await;
    let mut sftp = ssh.sftp().await;
    let paths = target.paths();
    for path in &paths {
        reach(&mut sftp, path).await;
    }
    assert!(thief.aws.keys(&thief.bucket, "").await.is_empty(), "something was made of nothing");
    target.is_untouched().await;

    // A session's lines come in their order: with the last one all are there.
    sftp.ask(kind::MKDIR, fields().string("/Incoming/the-end").no_attributes()).await.done();
    let is_last = |line: &audit::Line| line.action == "mkdir" && line.result == "done";
    let lines = audit::from(&stack, ssh.source, |lines| lines.last().is_some_and(is_last)).await;
    assert!(lines.iter().all(|line| line.tenant_id == Some(thief.id)), "{lines:?}");
    let done: Vec<_> = lines.iter().filter(|line| line.result == "done" && !is_last(line)).collect();
    assert!(done.iter().all(|line| line.action == "login"), "{done:?}");
    // Each of these asked for every path.
    for action in ["download", "remove", "rename", "link"] {
        let refused = lines.iter().filter(|line| line.action == action && line.result.starts_with("refused"));
        assert!(refused.count() >= paths.len(), "{action}: {} paths, {lines:?}", paths.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_by_writing() {
    let stack = Stack::from_env().unwrap();
    let (thief, target) = (Tenant::new(&stack, "thief").await, Target::new(&stack).await);
    let ssh = thief.ssh().await;
    let mut sftp = ssh.sftp().await;
    for path in target.paths() {
        // Some of these are odd names for files of one's own, and may be: they stay in one's own bucket.
        if let Answer::Handle(handle) = sftp.open(&path, flag::WRITE | flag::CREATE | flag::TRUNCATE).await {
            sftp.write(&handle, 0, b"planted").await.done();
            sftp.close(&handle).await.done();
        }
        sftp.put("/Incoming/bait", b"planted").await;
        let renamed = sftp.rename("/Incoming/bait", &path).await;
        let both = fields().string("/Incoming/bait").string(&path);
        let renamed_too = sftp.extended("posix-rename@openssh.com", both.clone()).await;
        for answer in [renamed, renamed_too] {
            shows_nothing(&answer, &path);
        }
        sftp.extended("hardlink@openssh.com", both.clone()).await.refused();
        sftp.ask(kind::SYMLINK, both).await.refused();
        let _ = sftp.ask(kind::MKDIR, fields().string(&path).no_attributes()).await;
    }
    for key in thief.aws.keys(&thief.bucket, "").await {
        assert!(key.starts_with("Incoming/"), "{key}");
        assert!(!key.split('/').any(|part| part == ".." || part == "."), "{key}");
    }
    target.is_untouched().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_by_a_handle_of_another_session() {
    let stack = Stack::from_env().unwrap();
    let (thief, target) = (Tenant::new(&stack, "thief").await, Target::new(&stack).await);
    let theirs = target.tenant.ssh().await;
    let mut owner = theirs.sftp().await;
    let reading = owner.open("/Exports/secret.csv", flag::READ).await.handle();
    let writing = owner.open("/Incoming/new.csv", flag::WRITE | flag::CREATE).await.handle();
    let listing = owner.ask_one(kind::OPENDIR, "/Exports").await.handle();
    owner.write(&writing, 0, SECRET).await.done();

    // The owner's own second channel does not know them either.
    let ssh = thief.ssh().await;
    let mut sessions = [ssh.sftp().await, theirs.sftp().await];
    for session in &mut sessions {
        let guesses = (0..GUESSES).flat_map(|n| [n.to_string().into_bytes(), n.to_be_bytes().to_vec()]);
        let known = [reading.to_vec(), writing.to_vec(), listing.to_vec(), Vec::new(), vec![0xff; 256]];
        for handle in guesses.chain(known) {
            assert_eq!(session.read(&handle, 0, 100).await.refused(), status::FAILURE);
            assert_eq!(session.write(&handle, 0, b"x").await.refused(), status::FAILURE);
            for kind in [kind::READDIR, kind::FSTAT, kind::CLOSE] {
                assert_eq!(session.ask_one(kind, &handle).await.refused(), status::FAILURE);
            }
            session.ask(kind::FSETSTAT, fields().string(&handle).size(0)).await.refused();
            session.extended("fsync@openssh.com", fields().string(&handle)).await.refused();
            let range = fields().string(&handle).long(0).long(0).string(&handle).long(0);
            session.extended("copy-data", range).await.refused();
        }
    }
    let refused = |line: &&audit::Line| line.action == "handle" && line.result.starts_with("refused");
    for ssh in [&ssh, &theirs] {
        // In two forms, each in seven requests.
        let all = |lines: &[audit::Line]| lines.iter().filter(refused).count() >= 2 * 7 * GUESSES as usize;
        audit::from(&stack, ssh.source, all).await;
    }
    // The owner's handles are as they were.
    assert_eq!(owner.read(&reading, 0, 1000).await.data(), SECRET);
    owner.close(&writing).await.done();
    let stored = target.tenant.aws.get(&target.tenant.bucket, "Incoming/new.csv").await;
    assert!(stored.as_deref() == Some(SECRET), "another handle has written");
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_by_an_scp_pattern() {
    let stack = Stack::from_env().unwrap();
    let (thief, target) = (Tenant::new(&stack, "thief").await, Target::new(&stack).await);
    let ssh = Ssh::connect(&stack.sftp, &thief.slug).await;
    let mut ssh = ssh;
    assert!(ssh.key(&thief.ssh_key).await.success());
    let bucket = &target.tenant.bucket;
    let patterns = [
        "../*".to_owned(),
        "../../*/*".to_owned(),
        format!("../{bucket}/*"),
        format!("/{bucket}/Incoming/secret.csv"),
        format!("'../{bucket}/Incoming/*.csv'"),
        "/*/secret.csv".to_owned(),
        "/*/*".to_owned(),
        "/[I]ncoming/secret.csv".to_owned(),
        "/etc/passwd".to_owned(),
        "*/../../*".to_owned(),
        "$(cat /etc/passwd)".to_owned(),
        "`id`".to_owned(),
        "Incoming/x; id".to_owned(),
    ];
    // These match folders of one's own, which are empty.
    let insiders = ["../*", "../../*/*", "/*/*", "*/../../*"];
    for pattern in &patterns {
        let inside = insiders.contains(&pattern.as_str());
        for flags in ["-f", "-r -f"] {
            // A client that says "go on" to everything; the command's channel ends by itself.
            let answer = exec(&ssh, &format!("scp {flags} {pattern}")).await;
            let told = format!("{answer:?}");
            assert!(!told.contains("only the other tenant") && !told.contains("root:"), "{pattern}: {told}");
            assert!(inside || answer.is_none_or(|(code, _)| code != 0), "{pattern}");
        }
    }
    for command in
        ["id", "scp", "scp -t", "sh -c id", "sftp-server", "/usr/lib/openssh/sftp-server", "rsync --server ."]
    {
        let answer = exec(&ssh, command).await;
        assert!(answer.as_ref().is_none_or(|(code, _)| *code != 0), "{command}: {answer:?}");
        assert!(!format!("{answer:?}").contains("uid="), "{command}");
    }
    target.is_untouched().await;
    let refused = |line: &&audit::Line| line.action != "login" && line.result != "done";
    let all = |lines: &[audit::Line]| lines.iter().filter(refused).count() >= patterns.len() - insiders.len();
    audit::from(&stack, ssh.source, all).await;
}
