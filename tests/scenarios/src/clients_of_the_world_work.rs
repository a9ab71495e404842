//! lftp, curl, rclone and sshfs of Debian, paramiko and asyncssh of `PyPI`, do what customers do with them.

use testkit::{
    Stack, Tenant, audit,
    customer::{Customer, fails, must, noise, run},
};

/// More than two parts of an upload.
const LARGE: usize = 20_000_003;
/// More than one: curl waits for many small answers.
const CURLS: usize = 9_000_001;

async fn stored(tenant: &Tenant, name: &str) -> Vec<u8> {
    let key = format!("Incoming/{name}");
    tenant.aws.get(&tenant.bucket, &key).await.unwrap_or_else(|| panic!("no {key}"))
}

/// The newest upload of this name went well and had so many bytes.
async fn uploaded(tenant: &Tenant, name: &str, bytes: usize) {
    audit::done(tenant, "upload", &format!("Incoming/{name}"), Some(bytes)).await;
}

fn tree(customer: &Customer) {
    customer.write("tree/a b.csv", noise(1, 12_345));
    customer.write("tree/sub/large.bin", noise(2, LARGE));
    customer.write("tree/sub/Ü 1%.txt", noise(3, 77));
}

async fn tree_is_stored(tenant: &Tenant, under: &str) {
    assert!(stored(tenant, &format!("{under}/a b.csv")).await == noise(1, 12_345));
    assert!(stored(tenant, &format!("{under}/sub/large.bin")).await == noise(2, LARGE));
    assert!(stored(tenant, &format!("{under}/sub/Ü 1%.txt")).await == noise(3, 77));
    uploaded(tenant, &format!("{under}/a b.csv"), 12_345).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lftp() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "lftp").await;
    let customer = Customer::of(&tenant);
    tree(&customer);
    must(customer.lftp(&["mirror -R --parallel=3 tree Incoming/tree", "mirror Incoming/tree back"])).await;
    tree_is_stored(&tenant, "tree").await;
    assert!(customer.read("back/sub/large.bin") == noise(2, LARGE));
    assert!(customer.read("back/sub/Ü 1%.txt") == noise(3, 77));
    let told = must(customer.lftp(&[
        "cd Incoming",
        "put \"tree/a b.csv\" -o x.tmp",
        "mv x.tmp x.csv",
        "cls -l --size x.csv",
        "rm x.csv",
        "mput tree/sub/*.bin",
        "rm -r tree",
        "ls",
    ]))
    .await;
    assert!(told.contains("12345"), "{told}");
    assert_eq!(tenant.aws.keys(&tenant.bucket, "").await, ["Incoming/large.bin"]);
    must(customer.lftp(&["pget -n 3 Incoming/large.bin -o parallel.bin"])).await;
    assert!(customer.read("parallel.bin") == noise(2, LARGE));
    fails(customer.lftp(&["put tree/sub/large.bin -o Exports/x"])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn curl() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "curl").await;
    let customer = Customer::of(&tenant);
    customer.write("large.bin", noise(2, CURLS));
    let (file, spaced) = (customer.url("Incoming/large.bin"), customer.url("Incoming/a%20%23b.bin"));
    must(customer.curl(&["-T", "large.bin", &file])).await;
    assert!(stored(&tenant, "large.bin").await == noise(2, CURLS));
    uploaded(&tenant, "large.bin", CURLS).await;
    must(customer.curl(&["-T", "large.bin", &spaced])).await;
    assert!(stored(&tenant, "a #b.bin").await == noise(2, CURLS));

    must(customer.curl(&["-o", "down", &file])).await;
    assert!(customer.read("down") == noise(2, CURLS));
    must(customer.curl(&["-o", "range", "-r", "8900000-8900099", &file])).await;
    assert!(customer.read("range") == noise(2, CURLS)[8_900_000..8_900_100]);
    customer.write("part", &noise(2, CURLS)[..6_000_000]);
    must(customer.curl(&["-C", "-", "-o", "part", &file])).await;
    assert!(customer.read("part") == noise(2, CURLS));

    let root = customer.url("Incoming/");
    must(customer.curl(&[
        "-Q",
        "rename /Incoming/large.bin /Incoming/renamed.bin",
        "-Q",
        "rm \"/Incoming/a #b.bin\"",
        &root,
    ]))
    .await;
    assert_eq!(tenant.aws.keys(&tenant.bucket, "").await, ["Incoming/renamed.bin"]);
    let listed = must(customer.curl(&["-l", &root])).await;
    assert_eq!(listed.trim(), "renamed.bin");
    fails(customer.curl(&["-T", "part", &customer.url("Finished/x")])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rclone() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "rclone").await;
    let customer = Customer::of(&tenant);
    tree(&customer);
    must(customer.rclone(&["copy", "tree", "files:Incoming/tree"])).await;
    tree_is_stored(&tenant, "tree").await;
    let listed = must(customer.rclone(&["lsl", "files:Incoming"])).await;
    assert!(listed.contains("12345") && listed.contains("tree/sub/Ü 1%.txt"), "{listed}");
    must(customer.rclone(&["check", "--download", "tree", "files:Incoming/tree"])).await;
    must(customer.rclone(&["copy", "files:Incoming/tree", "back"])).await;
    assert!(customer.read("back/sub/large.bin") == noise(2, LARGE));
    must(customer.rclone(&["moveto", "files:Incoming/tree/a b.csv", "files:Incoming/moved.csv"])).await;
    assert!(stored(&tenant, "moved.csv").await == noise(1, 12_345));
    std::fs::remove_file(customer.path("tree/a b.csv")).unwrap();
    customer.write("tree/new.csv", noise(4, 500));
    must(customer.rclone(&["sync", "--size-only", "tree", "files:Incoming/tree"])).await;
    let mut keys = tenant.aws.keys(&tenant.bucket, "Incoming/tree").await;
    keys.retain(|key| !key.ends_with('/'));
    keys.sort();
    assert_eq!(keys, ["Incoming/tree/new.csv", "Incoming/tree/sub/large.bin", "Incoming/tree/sub/Ü 1%.txt"]);
    fails(customer.rclone(&["copy", "tree/new.csv", "files:Exports/"])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paramiko() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "paramiko").await;
    let customer = Customer::of(&tenant);
    customer.write("large.bin", noise(2, LARGE));
    must(customer.python("paramiko_session.py", &["large.bin"])).await;
    assert!(stored(&tenant, "large.bin").await == noise(2, LARGE));
    assert!(customer.read("back.bin") == noise(2, LARGE));
    uploaded(&tenant, "large.bin", LARGE).await;
    assert_eq!(stored(&tenant, "modes.txt").await, b"rewritten");
    assert_eq!(stored(&tenant, "exclusive.txt").await, b"first");
}

#[tokio::test(flavor = "multi_thread")]
async fn asyncssh() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "asyncssh").await;
    let customer = Customer::of(&tenant);
    tree(&customer);
    must(customer.python("asyncssh_session.py", &["tree"])).await;
    tree_is_stored(&tenant, "tree").await;
    assert!(stored(&tenant, "parallel.bin").await == noise(2, LARGE));
    assert!(customer.read("back/sub/large.bin") == noise(2, LARGE));
}

/// The one client that needs something of the machine: where `/dev/fuse` may not be opened, mounting is refused before the first byte goes
/// over, and that is all that can be seen.
#[tokio::test(flavor = "multi_thread")]
async fn sshfs() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "sshfs").await;
    let customer = Customer::of(&tenant);
    let mounted = run(customer.sshfs()).await;
    if let Err(error) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/fuse") {
        eprintln!("sshfs cannot mount here ({error}): only that it says so was checked");
        assert!(!mounted.status.success() && mounted.stderr.contains("fuse"), "{mounted:?}");
        return;
    }
    assert!(mounted.status.success(), "{mounted:?}");
    let worked = used_as_a_disk(&customer).await;
    let mut unmount = customer.command("fusermount3");
    unmount.args(["-u", "mount"]);
    must(unmount).await;
    assert!(worked.status.success(), "{worked:?}");
    assert!(stored(&tenant, "large.bin").await == noise(2, LARGE));
    uploaded(&tenant, "large.bin", LARGE).await;
    assert!(customer.read("back.bin") == noise(2, LARGE));
    assert!(stored(&tenant, "sub/moved.csv").await == noise(1, 5000));
}

async fn used_as_a_disk(customer: &Customer) -> testkit::customer::Outcome {
    customer.write("large.bin", noise(2, LARGE));
    customer.write("small.csv", noise(1, 5000));
    let script = "set -e\ncp large.bin mount/Incoming/large.bin\ncp mount/Incoming/large.bin back.bin\nmkdir mount/Incoming/sub\n\
                  cp small.csv mount/Incoming/small.tmp\nmv mount/Incoming/small.tmp mount/Incoming/sub/moved.csv\n\
                  test \"$(ls mount)\" != ''\ntest \"$(ls mount/Incoming/sub)\" = moved.csv\n\
                  cp small.csv mount/Incoming/gone\nrm mount/Incoming/gone\n! cp small.csv mount/Finished/x\n";
    let mut shell = customer.command("sh");
    shell.args(["-c", script]);
    run(shell).await
}
