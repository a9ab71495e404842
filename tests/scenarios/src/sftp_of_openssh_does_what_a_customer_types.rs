//! OpenSSH's `sftp`: everything that a customer types does what it does elsewhere, or says why not.

use testkit::{
    Stack, Tenant, audit,
    customer::{Customer, fails, must, noise},
};

/// Names as customers have them; the last has 255 bytes.
fn names() -> Vec<String> {
    let mut names = [
        "with spaces.csv",
        "50% off #1 & more.csv",
        "Grüße aus 京都 🙂.csv",
        "%2e%2e%2fx.csv",
        "a+b=c;d,e.csv",
        "-rf",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push(format!("{}.csv", "ü".repeat(125) + "x"));
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn names_come_back_as_they_went() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "names").await;
    let customer = Customer::of(&tenant);
    let mut lines = Vec::new();
    for (seed, name) in (1..).zip(names()) {
        assert!(name.len() <= 255);
        customer.write(&name, noise(seed, 3000));
        lines.push(format!("put \"./{name}\" \"Incoming/{name}\""));
        lines.push(format!("get \"/Incoming//./{name}\" back-{seed}"));
    }
    lines.push("ls -1 Incoming".to_owned());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let listed = must(customer.sftp(&lines)).await;
    let mut expected: Vec<String> = names().into_iter().map(|name| format!("Incoming/{name}")).collect();
    expected.sort();
    let mut keys = tenant.aws.keys(&tenant.bucket, "Incoming/").await;
    keys.sort();
    assert_eq!(keys, expected);
    for (seed, name) in (1..).zip(names()) {
        let key = format!("Incoming/{name}");
        assert!(tenant.aws.get(&tenant.bucket, &key).await.unwrap() == noise(seed, 3000), "{name} in S3");
        assert!(customer.read(&format!("back-{seed}")) == noise(seed, 3000), "{name} came back different");
        assert!(listed.contains(&name), "{name} in:\n{listed}");
        for action in ["upload", "download"] {
            audit::done(&tenant, action, &key, Some(3000)).await;
        }
    }
    let long = format!("put back-1 Incoming/{}", "x".repeat(256));
    fails(customer.sftp(&[&long])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_go_up_and_down_whole() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "folders").await;
    let customer = Customer::of(&tenant);
    let files = ["list/one.csv", "list/deep/er/two.csv", "list/deep/three.csv"];
    for (seed, name) in (1..).zip(files) {
        customer.write(name, noise(seed, 70_000));
    }
    std::fs::create_dir(customer.path("list/empty")).unwrap();
    must(customer.sftp(&[
        "cd Incoming",
        "put -r list",
        "mkdir other",
        "ls",
        "get -r list back",
        "rmdir other",
    ]))
    .await;
    for (seed, name) in (1..).zip(files) {
        let stored = tenant.aws.get(&tenant.bucket, &format!("Incoming/{name}")).await.unwrap();
        assert!(stored == noise(seed, 70_000), "{name}");
        assert!(customer.read(&name.replacen("list", "back", 1)) == noise(seed, 70_000), "{name}");
    }
    assert!(customer.path("back/empty").is_dir());

    fails(customer.sftp(&["rmdir Incoming/list"])).await;
    assert!(!tenant.aws.keys(&tenant.bucket, "Incoming/list/").await.is_empty());
    fails(customer.sftp(&["rmdir Incoming"])).await;
    fails(customer.sftp(&["mkdir Exports/x"])).await;
    fails(customer.sftp(&["mkdir x"])).await;
    must(customer.sftp(&[
        "rm Incoming/list/deep/er/*",
        "rmdir Incoming/list/deep/er",
        "ls Incoming/list/deep",
    ]))
    .await;
    assert!(fails(customer.sftp(&["ls Incoming/list/deep/er"])).await.contains("not found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn renames_replace_only_when_asked() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "rename").await;
    let customer = Customer::of(&tenant);
    customer.write("new", noise(1, 40_000));
    customer.write("old", noise(2, 50_000));
    must(customer.sftp(&["cd Incoming", "put new a.tmp", "put old a.csv"])).await;
    // The protocol's own rename never replaces; OpenSSH's does, and is what `rename` asks for where it is offered.
    fails(customer.sftp(&["rename -l Incoming/a.tmp Incoming/a.csv"])).await;
    assert!(tenant.aws.get(&tenant.bucket, "Incoming/a.csv").await.unwrap() == noise(2, 50_000));
    must(customer.sftp(&["rename Incoming/a.tmp Incoming/a.csv"])).await;
    assert!(tenant.aws.get(&tenant.bucket, "Incoming/a.csv").await.unwrap() == noise(1, 40_000));
    assert_eq!(tenant.aws.keys(&tenant.bucket, "Incoming/").await, ["Incoming/a.csv"]);
    audit::done(&tenant, "rename", "Incoming/a.csv", Some(40_000)).await;
    for refused in [
        "rename Incoming/a.csv Exports/a.csv",
        "rename Incoming/none Incoming/b",
        "rename Incoming Outgoing",
        "ln -s Incoming/a.csv Incoming/l",
        "ln Incoming/a.csv Incoming/l",
    ] {
        fails(customer.sftp(&[refused])).await;
    }
    must(customer.sftp(&["chmod 600 Incoming/a.csv", "put -p old Incoming/p.csv", "rm Incoming/*"])).await;
    assert!(tenant.aws.keys(&tenant.bucket, "").await.is_empty());
    audit::done(&tenant, "remove", "Incoming/p.csv", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn extensions_of_openssh_are_there() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "extend").await;
    let customer = Customer::of(&tenant);
    customer.write("up", noise(1, 9_000_001));
    // -f: fsync; cp: copy-data.
    let told = must(customer.sftp(&[
        "put -f up Incoming/a.bin",
        "cp Incoming/a.bin Incoming/b.bin",
        "df Incoming",
        "df -hi",
        "get Incoming/b.bin down",
    ]))
    .await;
    assert!(told.contains('%'), "{told}");
    assert!(customer.read("down") == noise(1, 9_000_001));
    for key in ["Incoming/a.bin", "Incoming/b.bin"] {
        assert!(tenant.aws.get(&tenant.bucket, key).await.unwrap() == noise(1, 9_000_001), "{key}");
    }
    // A download that broke off goes on where it was.
    std::fs::write(customer.path("part"), &noise(1, 9_000_001)[..4_000_000]).unwrap();
    must(customer.sftp(&["reget Incoming/a.bin part"])).await;
    assert!(customer.read("part") == noise(1, 9_000_001));
    // A finished file is not appended to: nothing of it is lost.
    customer.write("longer", noise(1, 9_500_000));
    fails(customer.sftp(&["reput longer Incoming/a.bin"])).await;
    assert!(tenant.aws.get(&tenant.bucket, "Incoming/a.bin").await.unwrap() == noise(1, 9_000_001));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_into_the_root_lands_in_incoming() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "root").await;
    let customer = Customer::of(&tenant);
    customer.write("list.csv", noise(1, 1000));
    must(customer.sftp(&["pwd", "put list.csv", "get list.csv back"])).await;
    assert!(tenant.aws.get(&tenant.bucket, "Incoming/list.csv").await.unwrap() == noise(1, 1000));
    assert!(customer.read("back") == noise(1, 1000));
    for refused in ["put list.csv Finished/x", "put list.csv /etc/x", "get ../../etc/passwd x", "rm /"] {
        fails(customer.sftp(&[refused])).await;
    }
}
