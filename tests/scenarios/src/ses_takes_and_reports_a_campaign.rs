//! A campaign through Amazon SES, imitated: to a server with another's certificate, or with a wrong password, no mail is shown, and all wait. Then
//! all go out by TLS; what SES changes breaks no signature; its events become responses by our tag.

use std::collections::BTreeMap;

use testkit::{
    Stack, Tenant, own,
    ses::{Certificate, Ses},
    verifiers::{Made, verify},
    wait,
};

use crate::{every_answer_of_a_relay_has_its_end::make_due, launch_starts_at_its_time::Launches};

const LOCALS: [&str; 7] =
    ["anna", "berta", "unknown-user", "mailbox-full", "blocked", "complaint", "rejected"];

#[tokio::test(flavor = "multi_thread")]
async fn by_its_events() {
    let main = Stack::from_env().unwrap();
    let ses = Ses::start(&main, Certificate::OfAnotherAuthority).await;
    let variables = [
        ("RELAY_URL", ses.url()),
        ("RELAY_CA", main.webhook_root.display().to_string()),
        ("RELAY_PROFILE", "ses".to_owned()),
        ("SES_CONFIGURATION_SET", "news".to_owned()),
        ("DKIM_SIGNATURES", "ed25519".to_owned()),
    ];
    let stack = own::deploy_with(&main, "ses", &["import", "generate", "send", "track"], &variables).await;
    ses.report_to(&stack);
    let tenant = Tenant::new(&stack, "ses").await;
    let campaign = tenant.campaign("spring").await;
    let rows = LOCALS.map(|local| format!("{local}@{},Jörg,Müller,K1\n", tenant.recipients_domain));
    tenant.put("list.csv", format!("email,vorname,nachname,kundennummer\n{}", rows.concat())).await;
    tenant.control("list.csv", "spring", true).await;
    let launches = Launches::of(&tenant, campaign);

    for certificate in [Certificate::OfAnotherAuthority, Certificate::ForAnotherName] {
        ses.show(certificate);
        let (told, with_tls) = wait::until("a connection", async || {
            make_due(&stack, &tenant, campaign).await;
            let heard = ses.heard();
            heard.0.contains(&"STARTTLS".to_owned()).then_some(heard)
        })
        .await;
        assert!(told.iter().all(|verb| verb == "EHLO" || verb == "STARTTLS"), "{told:?}");
        assert_eq!(with_tls, 0, "{certificate:?}");
        wait::until("nothing to be tried", async || {
            (launches.mails_in("'spooled'").await == LOCALS.len()).then_some(())
        })
        .await;
    }
    ses.show(Certificate::Right);
    wait::until("every mail to be sent", async || {
        make_due(&stack, &tenant, campaign).await;
        (launches.mails_in("'sent'").await == LOCALS.len()).then_some(())
    })
    .await;
    assert!(ses.heard().1 > 0);
    let replies: Vec<String> =
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT reply FROM campaign_{campaign}.ledger")))
            .fetch_all(&mut tenant.superuser().await)
            .await
            .unwrap();
    assert!(replies.iter().all(|reply| reply.starts_with("250 Ok 0100")), "{replies:?}");

    let mut responses: BTreeMap<(String, Option<String>), i64> = BTreeMap::new();
    wait::until_so(
        "the events",
        async || {
            let rows: Vec<(String, Option<String>, i64)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
                "SELECT kind, class, count(*) FROM campaign_{campaign}.responses GROUP BY kind, class"
            )))
            .fetch_all(&mut tenant.superuser().await)
            .await
            .unwrap();
            responses = rows.into_iter().map(|(kind, class, count)| ((kind, class), count)).collect();
            responses.values().sum::<i64>()
        },
        |count| *count == 8,
    )
    .await;
    let of = |kind: &str, class: Option<&str>| responses[&(kind.to_owned(), class.map(str::to_owned))];
    assert_eq!((of("delivered", None), of("complained", None)), (3, 1));
    let bounced = ["hard", "soft", "block"].map(|class| of("bounced", Some(class)));
    assert_eq!(bounced, [1, 1, 2]);
    let accounting = tenant.accounting(campaign).await;
    assert_eq!((accounting.number("delivered"), accounting.0["delivered_assumed"] == false), (3, true));
    let diagnostics: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "SELECT diagnostic FROM campaign_{campaign}.responses WHERE class IS NOT NULL"
    )))
    .fetch_all(&mut tenant.superuser().await)
    .await
    .unwrap();
    assert!(diagnostics.iter().all(|words| !words.contains(&tenant.recipients_domain)), "{diagnostics:?}");
    let mut reasons: Vec<String> =
        sqlx::query_scalar("SELECT reason FROM broadcast.suppressions WHERE tenant_id = $1")
            .bind(tenant.id)
            .fetch_all(&mut tenant.superuser().await)
            .await
            .unwrap();
    reasons.sort();
    assert_eq!(reasons, ["bounced", "complained"]);

    let mails = tenant.mails();
    assert_eq!(mails.len(), 3);
    for mail in &mails {
        assert!(mail.header("Message-ID").unwrap().ends_with("@email.amazonses.com>"));
        assert!(mail.return_path.ends_with("@amazonses.com") && !mail.message.contains("X-SES-MESSAGE-TAGS"));
    }
    verify(&tenant, Made::ForSes, &mails).await;
    tenant.all_is_well(campaign).await;
    own::undeploy(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn to_whom_the_password_is_wrong_nothing_is_told() {
    let main = Stack::from_env().unwrap();
    let ses = Ses::start(&main, Certificate::Right).await;
    let variables = [
        ("RELAY_URL", ses.wrong_url()),
        ("RELAY_CA", main.webhook_root.display().to_string()),
        ("RELAY_PROFILE", "ses".to_owned()),
    ];
    let stack = own::deploy_with(&main, "login", &["import", "generate", "send"], &variables).await;
    ses.report_to(&stack);
    let tenant = Tenant::new(&stack, "login").await;
    let campaign = tenant.campaign("spring").await;
    let row = format!("email,vorname,nachname,kundennummer\nanna@{},Jo,Doe,K1\n", tenant.recipients_domain);
    tenant.put("list.csv", row).await;
    tenant.control("list.csv", "spring", true).await;
    wait::until("a connection with TLS", async || (ses.heard().1 > 0).then_some(())).await;
    let waiting: Vec<(String, i16)> = wait::until("the mail to wait", async || {
        let rows: Vec<(String, i16)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT l.state, l.attempt FROM campaign_{campaign}.ledger l JOIN campaign_{campaign}.slices s USING (launch_id, slice)
             WHERE s.due_at <> s.sending_until AND s.due_at < now() + interval '2 minutes'"
        )))
        .fetch_all(&mut tenant.superuser().await)
        .await
        .unwrap();
        (!rows.is_empty()).then_some(rows)
    })
    .await;
    assert_eq!(waiting, [("spooled".to_owned(), 0)]);
    assert!(tenant.mails().is_empty());
    own::undeploy(&stack).await;
}
