//! `scp`, by SFTP and by the old protocol (`-O`): single files and folders, up and down, with patterns.

use testkit::{
    Stack, Tenant, audit,
    customer::{Customer, fails, must, noise},
};

const FILES: [(&str, usize); 4] = [
    ("data/a one.csv", 1000),
    ("data/b.csv", 9_000_001),
    ("data/sub/c.txt", 0),
    ("data/sub/deep/ü#%.csv", 300_000),
];

#[tokio::test(flavor = "multi_thread")]
async fn by_sftp() {
    copies(&[], "files:/Incoming/other name.csv").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_old_protocol() {
    // A shell of the far side would read the name.
    copies(&["-O"], "files:'/Incoming/other name.csv'").await;
}

async fn copies(protocol: &[&str], other: &str) {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "scp").await;
    let customer = Customer::of(&tenant);
    let scp = |arguments: &[&str]| customer.scp(&[protocol, arguments].concat());
    for (seed, (name, bytes)) in (1..).zip(FILES) {
        customer.write(name, noise(seed, bytes));
    }
    // Two files into a folder, one under a name of its own, one without a folder, times and all.
    must(scp(&["data/a one.csv", "data/b.csv", "files:Incoming/"])).await;
    must(scp(&["-p", "data/b.csv", other])).await;
    must(scp(&["data/b.csv", "files:"])).await;
    must(scp(&["-r", "data", "files:Incoming"])).await;
    let expect = async |key: &str, seed: u64| {
        let (_, bytes) = FILES[usize::try_from(seed - 1).unwrap()];
        let stored = tenant.aws.get(&tenant.bucket, key).await.unwrap_or_else(|| panic!("no {key}"));
        assert!(stored == noise(seed, bytes), "{key}");
        audit::done(&tenant, "upload", key, Some(bytes)).await;
    };
    for (key, seed) in [
        ("Incoming/a one.csv", 1),
        ("Incoming/b.csv", 2),
        ("Incoming/other name.csv", 2),
        ("Incoming/data/a one.csv", 1),
        ("Incoming/data/b.csv", 2),
        ("Incoming/data/sub/c.txt", 3),
        ("Incoming/data/sub/deep/ü#%.csv", 4),
    ] {
        expect(key, seed).await;
    }

    must(scp(&["files:Incoming/b.csv", "down.csv"])).await;
    assert!(customer.read("down.csv") == noise(2, 9_000_001));
    must(scp(&["-r", "files:Incoming/data", "back"])).await;
    for (seed, (name, bytes)) in (1..).zip(FILES) {
        assert!(customer.read(&name.replacen("data", "back", 1)) == noise(seed, bytes), "{name}");
    }
    std::fs::create_dir(customer.path("globbed")).unwrap();
    must(scp(&["files:Incoming/*.csv", "globbed/"])).await;
    let mut globbed: Vec<_> = std::fs::read_dir(customer.path("globbed"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    globbed.sort();
    assert_eq!(globbed, ["a one.csv", "b.csv", "other name.csv"]);
    // Over a longer file of the same name: nothing of it remains.
    must(scp(&["data/a one.csv", "files:Incoming/b.csv"])).await;
    expect("Incoming/b.csv", 1).await;

    for refused in [
        &["data/b.csv", "files:Exports/"][..],
        &["data/b.csv", "files:/etc/"],
        &["files:Incoming/none", "x"],
        &["files:../../../etc/passwd", "x"],
    ] {
        fails(scp(refused)).await;
    }
}
