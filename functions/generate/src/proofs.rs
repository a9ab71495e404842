//! Proofs: mails of seed lists and test mails, whose fields are given by name and not by an import.

use std::collections::HashMap;

use contract::MailId;
use mail::AddressKey;
use sqlx::{FromRow, types::Json};
use store::CampaignTx;

use crate::{Error, Place, batch::Recipient};

#[derive(FromRow)]
struct Row {
    id: i64,
    address: String,
    address_key: [u8; 16],
    fields: Json<HashMap<String, String>>,
}

/// The proofs of a slice that are to be made, with a value for each of `names`. `number` is their import's in the batch.
pub(crate) async fn recipients(
    tx: &mut CampaignTx,
    place: Place,
    slice: i32,
    names: &[String],
    number: usize,
) -> Result<Vec<Recipient>, Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT l.id, p.address, l.address_key, p.fields FROM ledger l JOIN proof_recipients p ON p.line = l.line
         WHERE l.launch_id = $1 AND l.slice = $2 AND l.proof AND l.state = 'pending' ORDER BY l.id",
    )
    .bind(place.launch.0)
    .bind(slice)
    .fetch_all(&mut **tx)
    .await?;
    let recipient = |Row { id, address, address_key, fields: Json(given) }| Recipient {
        mail: MailId(id),
        address,
        address_key: AddressKey(address_key),
        fields: values(names, given),
        import: number,
    };
    Ok(rows.into_iter().map(recipient).collect())
}

/// What was given for each name; where nothing was, the name itself, so that its place shows.
fn values(names: &[String], mut given: HashMap<String, String>) -> Vec<String> {
    names.iter().map(|name| given.remove(name).unwrap_or_else(|| format!("[{name}]"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_not_given_shows_its_name() {
        let names = ["city", "first_name"].map(str::to_owned);
        let given = HashMap::from(
            [("first_name", "Ann"), ("unused", "x")].map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        assert_eq!(values(&names, given), ["[city]", "Ann"]);
        assert_eq!(values(&names, HashMap::new()), ["[city]", "[first_name]"]);
    }
}
