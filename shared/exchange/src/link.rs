//! Links by which one file is fetched from S3 itself.

use std::{fmt::Write, time::Duration};

use aws_sdk_s3::presigning::PresigningConfig;
use contract::Folder;

use crate::{Error, TenantFiles, error::from_sdk};

impl TenantFiles {
    /// A URL that opens a file for whoever has it, as long as that. It is signed with this tenant's credentials, which open nothing else, and
    /// makes a browser store the file: it never shows it.
    pub async fn link(&self, folder: Folder, name: &str, lifetime: Duration) -> Result<String, Error> {
        // Out of bounds only for what no caller wants: S3 takes up to a week.
        let lifetime = PresigningConfig::expires_in(lifetime).map_err(|_| Error::Lifetime)?;
        let request = self
            .client()
            .get_object()
            .bucket(self.bucket())
            .key(folder.key(name))
            .response_content_type("application/octet-stream")
            .response_content_disposition(disposition(name))
            .presigned(lifetime)
            .await
            .map_err(from_sdk("GetObject"))?;
        Ok(request.uri().to_owned())
    }
}

/// RFC 6266 with the name as in RFC 8187: no part of it can end the value.
fn disposition(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or_default();
    let mut value = String::from("attachment; filename*=UTF-8''");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            value.push(char::from(byte));
        } else {
            let _ = write!(value, "%{byte:02X}");
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_end_the_header() {
        for (name, expected) in [
            ("list.csv", "list.csv"),
            ("2026/12/list.csv", "list.csv"),
            ("Grüße \"a\"; b.csv", "Gr%C3%BC%C3%9Fe%20%22a%22%3B%20b.csv"),
            ("a\r\nb", "a%0D%0Ab"),
        ] {
            assert_eq!(disposition(name), format!("attachment; filename*=UTF-8''{expected}"), "{name}");
        }
    }
}
