//! A relay that is stopped, that hangs up at once, or that hangs up at EHLO: no mail fails, none is in doubt, and all arrive once when it is back.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use testkit::{Stack, Tenant, csv::Plan, own, unique, wait};
use tokio::{
    io::copy_bidirectional,
    net::{TcpSocket, TcpStream},
};

use crate::{every_answer_of_a_relay_has_its_end::make_due, launch_starts_at_its_time::Launches};

const RECIPIENTS: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn and_then_everybody_is_mailed_once() {
    let main = Stack::from_env().unwrap();
    // A port that is ours and on which nobody listens yet.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let relay = format!("smtp://{}", socket.local_addr().unwrap());
    let hello = format!("{}.bounces.example", unique("once-drop-at-ehlo"));
    let variables = [("RELAY_URL", relay), ("BOUNCE_DOMAIN", hello)];
    let stack = own::deploy_with(&main, "away", &["import", "generate", "send"], &variables).await;
    let tenant = Tenant::new(&stack, "away").await;
    let campaign = tenant.campaign("spring").await;
    let plan = Plan { domain: tenant.recipients_domain.clone(), good: RECIPIENTS, ..Plan::default() };
    tenant.put("list.csv", plan.write()).await;
    tenant.control("list.csv", "spring", true).await;
    let launches = Launches::of(&tenant, campaign);

    put_off(&tenant, campaign).await;

    let (open, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let listener = socket.listen(64).unwrap();
    let sink = main.sink_url.trim_start_matches("smtp://").to_owned();
    let serving = tokio::spawn({
        let (open, refused) = (Arc::clone(&open), Arc::clone(&refused));
        async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                if open.load(Ordering::Relaxed) {
                    let mut server = TcpStream::connect(&sink).await.unwrap();
                    tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
                } else {
                    refused.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    });
    make_due(&stack, &tenant, campaign).await;
    wait::until("a connection that is hung up", async || (refused.load(Ordering::Relaxed) > 0).then_some(()))
        .await;
    put_off(&tenant, campaign).await;

    open.store(true, Ordering::Relaxed);
    wait::until("every mail to be sent", async || {
        make_due(&stack, &tenant, campaign).await;
        (launches.mails_in("'sent'").await == RECIPIENTS).then_some(())
    })
    .await;
    launches.until_ended(launches.newest().await, "done").await;
    let attempts: Vec<i16> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT attempt FROM campaign_{campaign}.ledger")))
            .fetch_all(&mut tenant.superuser().await)
            .await
            .unwrap();
    assert_eq!(attempts, [1; RECIPIENTS], "a connection is no attempt");
    let mut recipients: Vec<_> = tenant.mails().into_iter().map(|mail| mail.recipient).collect();
    recipients.sort();
    recipients.dedup();
    assert_eq!((recipients.len(), tenant.mails().len()), (RECIPIENTS, RECIPIENTS));
    tenant.all_is_well(campaign).await;
    own::undeploy(&stack).await;
    serving.abort();
}

/// Waits until all rows wait for the next minute's look, none of them tried.
async fn put_off(tenant: &Tenant, campaign: i64) {
    let statement = format!(
        "SELECT count(*) FROM campaign_{campaign}.ledger l JOIN campaign_{campaign}.slices s USING (launch_id, slice)
         WHERE l.state = 'spooled' AND l.attempt = 0 AND s.due_at <> s.sending_until
               AND s.due_at BETWEEN now() AND now() + interval '61 seconds'"
    );
    wait::until("all mails to wait for the relay", async || {
        let waiting: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(statement.clone()))
            .fetch_one(&mut tenant.superuser().await)
            .await
            .unwrap();
        (waiting == i64::try_from(RECIPIENTS).unwrap()).then_some(())
    })
    .await;
}
