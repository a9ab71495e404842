//! Host keys are rotated without a day on which customers are frightened: the old and the new one are served at once.

use testkit::{Stack, Tenant, customer::Customer, gateway::Gateway, sftp::keygen_of, unique};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_know_either() {
    let stack = Stack::from_env().unwrap();
    let tenant = Tenant::new(&stack, "hostkeys").await;
    let kinds = [&["-t", "ed25519"][..], &["-t", "rsa", "-b", "3072"]];
    let pairs = kinds.map(|kind| {
        let folder = tenant.folder.path().join(kind[1]);
        std::fs::create_dir(&folder).unwrap();
        keygen_of(&folder, kind)
    });
    let both: String = pairs.iter().map(|(path, _)| std::fs::read_to_string(path).unwrap()).collect();
    let secret = unique("host-keys");
    tenant.aws.secrets.create_secret().name(&secret).secret_string(both).send().await.unwrap();
    let gateway = Gateway::start(&stack, &[("GATEWAY_HOST_KEY_SECRET", &secret)]).await;

    let customer = Customer::at(&tenant, &gateway.address);
    let host = format!("[{}]:{}", gateway.address.host, gateway.address.port);
    let elsewhere = tenant.folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let (_, strange) = keygen_of(&elsewhere, kinds[0]);
    for (known, public) in [(true, &pairs[0].1), (true, &pairs[1].1), (false, &strange)] {
        customer.write("known_hosts", format!("{host} {public}\n"));
        let mut sftp = customer.command("sftp");
        sftp.args(["-q", "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile=known_hosts"]);
        customer.write("batch", "ls\n");
        sftp.args(["-F", "ssh_config", "-b", "batch", "files"]);
        let told = testkit::customer::run(sftp).await;
        assert_eq!(told.status.success(), known, "{public}: {told:?}");
    }
    tenant
        .aws
        .secrets
        .delete_secret()
        .secret_id(&secret)
        .force_delete_without_recovery(true)
        .send()
        .await
        .unwrap();
}
