//! What to do about each thing of the catalogue, for the customer or the integrator who meets it.

use crate::Code;

macro_rules! advice {
    ($($variant:ident, $text:literal;)*) => {
        impl Code {
            /// One to three sentences beside the words of the notice. Pages of problems show them.
            pub fn advice(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

advice! {
    // Rows of an import.
    AddressMissing, "Fill in the address, or leave the row out. If another column has the addresses, name it as `address_column` in the import profile or in the call's `overrides`.";
    AddressNoAt, "Correct the address where your list comes from and import the row again. If a whole column looks wrong, another one is taken for the address: name the right one as `address_column`.";
    AddressLocalPart, "Look for spaces, two dots in a row, a dot at an end, or brackets and names beside the address: the column must hold the bare address. Correct it at its source.";
    AddressDomain, "Look for a missing ending, a space or an underscore in the domain, and for commas in place of dots. Correct it at its source.";
    AddressDomainNoMail, "The address is most likely mistyped or given up: ask the recipient for another one, or drop the row. The check is made because `check_domains` is set in the import profile or the call.";
    AddressTooLong, "No mail system takes such an address. Look whether two fields have run together in this row.";
    RowRagged, "Look for a delimiter or a quotation mark inside a field: a field that has one must stand in quotation marks. Missing fields at the end of a row count as well.";
    RowEncoding, "Some rows come from another source than the rest. Write the file anew in UTF-8, whole.";
    RowNul, "Such bytes stand in damaged or binary files. Write the file anew, and look at the row in the program that wrote it.";
    FieldTooLong, "Mostly a quotation mark is missing, and what follows became one field. If the text is really that long, leave the column out: a mail cannot use it.";
    RowTooLong, "Mostly a line end or a quotation mark is missing. If the row is really that long, leave out columns that the template does not use.";
    RowsCounted, "Nothing is to be done about this line: it ends the report. The lines before it name each rejected row.";
    // Whole files.
    FileMissing, "Upload the file into `Incoming/` over SFTP and close it, then call again. Compare the name with `GET /v1/files?folder=Incoming`: capitals count, and files that were imported stand in `Finished/` or `Invalids/`.";
    FileChanged, "Give each upload a name of its own, with the time in it, and never write over a file whose import is not at its end.";
    FileEmpty, "Look whether the export of your system wrote any rows, and whether all of them were rejected: the report in `Invalids/` names each. A file of a header line alone is empty, too.";
    FileSize, "The upload was cut off, or the size was taken of another file. Upload it again, whole, and count its bytes as they are uploaded: packed and encrypted.";
    FileDigest, "Compute the digest over exactly the bytes that you upload, after packing and encrypting. If it is right, the upload was damaged on its way: send it again.";
    FileHeader, "Name the column as `address_column` in the import profile or the call's `overrides`, by the name that stands in the file. If the file has no header line, say `\"header\": false`.";
    FileColumns, "Export the columns alone that the template and your key need. If the file has few columns, its delimiter was detected wrongly: name it in the profile.";
    FileTooManyBadRows, "Read the report beside the file in `Invalids/`, or `GET /v1/imports/{id}/errors`: the same reason in most rows is one mistake of the file. If the list is like that, raise `bad_rows_max_percent` in the import profile or the call.";
    FileQuote, "Close the quotation mark in that row, or write quotation marks within a field twice. Programs that write CSV do it by themselves; text that was put together by hand does not.";
    FileCharset, "Use a label of the WHATWG's Encoding Standard, such as `utf-8`, `windows-1252` or `iso-8859-15`. Best write the file in UTF-8 and name none.";
    FileCharsetUnclear, "Write files in UTF-8 with a byte order mark, and this cannot happen. Otherwise ask who writes the file for its charset.";
    FileDelimiter, "Change `delimiter` in the import profile, or the first line of the file. Without both the delimiter is detected.";
    FileNotEncrypted, "Encrypt the file to the key that `GET /v1/pgp-key` answers, and upload that. Where plain files are meant to be taken, set `pgp_required` to false in the profile.";
    FileForm, "Open the file in the program that made it and save the one sheet with the recipients. Renaming it to `.csv` does not change what it is.";
    FilePacking, "Unpack it and upload what was in it, or pack the CSV file alone with gzip.";
    FilePackedFiles, "Pack each list by itself, and call an import for each of them.";
    FilePackedDamaged, "Test the file before you upload it (`gzip -t`, `unzip -t`). If it is whole on your side, the upload was cut off.";
    FilePackedPassword, "A password of an archive protects little, and we have none to open it with. `GET /v1/pgp-key` answers the key to encrypt to.";
    FilePackedMethod, "Most programs call the usual method \"Deflate\" or \"ZIP (standard)\"; WinZip's \"Zipx\" and others are not that. `gzip list.csv` always works.";
    FilePackedTwice, "Look which steps your export does: one that packs or encrypts what is packed or encrypted already is to be left out.";
    FileExpansion, "Look whether the file is what you meant to send: it consists of almost nothing but repetitions.";
    FileTooLarge, "The section on limits in the File Exchange's page has a command that splits a file with its header. Launch after the last part: each address is mailed once, whatever part it stands in.";
    FileTextTooLarge, "The section on limits in the File Exchange's page has a command that splits a file with its header. Launch after the last part: each address is mailed once, whatever part it stands in.";
    FileAgain, "Nothing is to be done if the list came twice by mistake: the first import has it. Somebody who is imported again is not mailed again in the same campaign.";
    ReportKey, "Give your operator a key that has not expired and can encrypt. The file stands in `Invalids/`: upload it again after that.";
    ImportBroken, "Split the file by rows, each part with the header line, and import the parts one after the other. Tell your operator the import's id if that fails, too.";
    DomainsUnchecked, "Nothing is lost: the rows are imported, and what cannot be delivered comes back as a bounce. Launch, or import the file again later with `\"again\": true` if the check matters to you.";
    PgpNotForUs, "`GET /v1/pgp-key` answers the key, and it stands as `broadcast-key.asc` in the root of the File Exchange. Name it as the only key of an old script, too: keys are replaced from time to time.";
    PgpDamaged, "Check that the transfer is binary and complete, and that no option of your program switches the integrity protection (MDC) off. Then encrypt anew from the original file.";
    PgpForm, "No other program reads this form. Files that GnuPG encrypts without that option are read, whatever its version.";
    PgpSignature, "Sign with the key whose public half your operator has registered, and have a new one registered before the old one expires. Your account may demand a signature of every file.";
    // The control file and the import call.
    ControlMalformed, "Correct the document and upload it as the control file once more; the file itself still stands in `Incoming/`. An unknown field is refused, so that no wish is overlooked.";
    ControlName, "Write `{\"campaign\": \"...\"}` into the control file, or give the file a name of that form.";
    CampaignUnknown, "Make the campaign first (`POST /v1/campaigns`), and spell its name exactly as `GET /v1/campaigns` lists it.";
    ProfileUnknown, "`GET /v1/profiles` lists what there is. Make the profile with `PUT /v1/profiles/{name}`, or leave `profile` out.";
    CampaignExists, "Take the one that is there (`GET /v1/campaigns` shows its id), or choose another name. A name is free again when its campaign's data is deleted.";
    CampaignEnded, "Make a new campaign. The sums of this one stay: `GET /v1/campaigns/{id}/accounting`.";
    // Templates and launches.
    TemplateMissing, "Put one with `PUT /v1/campaigns/{id}/template`, then call again.";
    TemplateSyntax, "Mostly a brace, a quotation mark or an `endif` is missing. The lines are counted within the part as you sent it, from 1.";
    TemplateField, "Compare the name with the file's columns: it is in small letters, with `ae` for `ä` and so on, and an underscore for what is no letter or digit. A field that only some files have needs a default: `{{ city|default(\"\") }}`.";
    TemplateFieldBlank, "Say what is to stand there instead (`{{ title|default(\"\") }}`), or ask first (`{% if title %}{{ title }} {% endif %}`), or fill the cells and import the list again. A cell with nothing but white space is blank.";
    TemplateUnsubscribe, "Both parts need it, the text one as well if you send one of your own. Every recipient must be able to leave.";
    TemplateLink, "A link begins with `https://` or `http://` and a host that stands there as it is; fields may come behind that, in the path and the query. `mailto:`, `tel:` and places within the mail (`#top`) are left alone.";
    TemplateFile, "Mails carry images, PDF, calendar and office files and plain text, 256 KiB of them together; the HTML shows an inline one as `cid:` and its name. Link to everything else.";
    TemplateRender, "Preview the same template for another line to see whether the row or the template is at fault. Fields that may be empty or no number need a default or a condition.";
    SenderDomain, "`GET /v1/sender-domains` shows which domains are confirmed, and the DNS records of the others. Publish them and ask your operator to confirm the domain, or send from a confirmed one.";
    LaunchNothing, "Import a file first, and wait until its state is `finished`: `GET /v1/campaigns/{id}/imports`. An import that was refused has no recipients.";
    LaunchRestored, "Look how many are `unknown`: bounces, opens and clicks settle some of them by themselves. Then resume the launch (`POST /v1/launches/{id}/resume`): it goes on with those that were certainly not handed over.";
    LaunchLost, "Nobody gets more of this launch. A new launch of the campaign mails everybody who is imported; whoever had this one's mail gets it once more.";
    LaunchLate, "Nobody was mailed. If the mails still make sense, resume the launch (`POST /v1/launches/{id}/resume`): it starts then. Otherwise cancel it.";
    LaunchAfterEnd, "Name an earlier time, or make a campaign of its own for the later mailing. Your operator can lengthen the lifetime of campaigns.";
    LaunchState, "Look at the launch again (`GET /v1/launches/{id}`): somebody else may have acted, or it came to its end meanwhile. Mails that are sent cannot be called back.";
    TestMailsMax, "Look at the preview, which has no such limit, and send the next test mails later. Whoever is to see every mailing belongs on the seed list: `PUT /v1/campaigns/{id}/seeds`.";
    // The API.
    KeyMissing, "Add the header `Authorization: Bearer bk_...` to each request. Some HTTP clients drop it when they follow a redirect to another host.";
    KeyInvalid, "Look whether the whole key was copied, without a line end or quotation marks, and whether it was deleted: `GET /v1/keys` with another key lists those that there are. Keys of one installation mean nothing to another.";
    KeyExpired, "Ask for a new key, or make one with a key that has `keys:write`. Rotate keys before they expire: both are valid for a while then.";
    KeyNetwork, "The key is bound to networks (`sources`): send the request from one of them, or have a key made for yours. The address that counts is the one that your requests leave your network with.";
    ScopeMissing, "Use a key that has the scope, or have one made that has: scopes of a key do not change. The reference names the scope of each operation.";
    ScopeOwn, "Use a key that has all the scopes that the new one is to have, or ask your operator.";
    TenantSuspended, "Ask your operator why. Nothing is lost: your data stays until its time is up.";
    RateLimited, "Wait as long as the header `Retry-After` says, then go on. Poll less often or have a webhook told; lists take up to 1,000 items at once.";
    NotFound, "Look at the path and the id. What belongs to another account is answered as if it did not exist, so look whose key you use.";
    MethodUnknown, "Look at the operation's method in the reference. A client that follows a redirect may have turned a POST into a GET.";
    MediaType, "Send `Content-Type: application/json`, or `application/xml` on the paths below `/v2`. curl says `application/x-www-form-urlencoded` with `-d` unless you add the header.";
    BodyMalformed, "Correct the place that the problem names. Fields are refused when they are unknown, so look for a spelling mistake first.";
    BodyTooLarge, "Only a template can come near it: take images out of the HTML and link to them. Recipients come in as files over SFTP.";
    QueryMalformed, "Correct the parameter that the problem names, and encode special characters (`%2B` for a plus sign). The reference lists what each operation takes.";
    HeaderMalformed, "Correct the header. An `Idempotency-Key` is best a random UUID.";
    FieldInvalid, "Correct the value; the reference has the bounds of each field. Nothing was changed.";
    VersionChanged, "Somebody else changed it. Fetch it, apply your change to that, and send it with the new `ETag` as `If-Match`. Without `If-Match` the last one wins.";
    IdempotencyReused, "Make a new random key for each thing that you want done, and keep it with that thing until you have the answer. Send the same key again with the very same request alone.";
    CampaignHeld, "Ask your operator why, and until when. `held_at` of the campaign says since when; its data is deleted once the hold has ended.";
    CampaignBusy, "Wait until `GET /v1/campaigns/{id}/imports` and `GET /v1/campaigns/{id}/launches` show none that is under way.";
    ProfileInUse, "Wait until those imports are finished or refused, then delete it. Imports that are at their end do not need the profile.";
    RowMissing, "Lines are counted in the file from 1, and the header is one of them; a row with line breaks has the number of its first line. Rejected rows are no recipients.";
    ReportMissing, "Reports are deleted with the retention of `Invalids/`, and there is one only when rows were rejected. While the import runs, wait until it has ended.";
    ReportEncrypted, "Your account has its exports encrypted, and reports of rows as well. We cannot open it: the private key is yours.";
    LoginKeysMax, "`GET /v1/ssh-keys` and `GET /v1/pgp-keys` show them with their ends. Keys that have expired count until they are removed.";
    KeysMax, "`GET /v1/keys` shows when each key was used last. Keys that have expired count until they are deleted.";
    KeyReplaced, "Use the key that replaced it: `replaced_by` in `GET /v1/keys` is its id. If it is lost, make a new key with the same scopes.";
    WebhookUrl, "The URL must be `https` and lead to a public address, with a certificate that is valid for its name. Redirects are not followed, so name the place itself.";
    WebhooksMax, "One webhook takes events of several kinds: you need one for each receiver, not for each event.";
    Unavailable, "Wait as long as the header `Retry-After` says and send the same request again, a POST with its `Idempotency-Key`. If it goes on for minutes, tell your operator when it began.";
    // Keys.
    PgpKey, "Export it in ASCII armor (`gpg --armor --export KEY`), the public half. It must be able to encrypt (for exports) or to sign (for uploads), and not be expired or revoked.";
    SshKeyMalformed, "Hand in the content of the file that ends in `.pub`, never the private key. A key of PuTTY is exported by PuTTYgen as \"Public key for pasting into OpenSSH\".";
    SshKeyWeak, "Make a new one: `ssh-keygen -t ed25519`.";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three sentences for somebody who has a problem already.
    const CHARS_MAX: usize = 400;

    #[test]
    fn advice_is_short_and_whole() {
        for code in Code::ALL {
            let advice = code.advice();
            assert!(advice.len() > 20 && advice.ends_with('.'), "{code}: {advice}");
            assert!(advice.chars().count() <= CHARS_MAX, "{code}: {} characters", advice.chars().count());
        }
    }

    #[test]
    fn the_advice_reads_like_this() {
        let lines = Code::ALL.iter().map(|code| format!("{code}: {}\n", code.advice()));
        insta::assert_snapshot!(lines.collect::<String>());
    }
}
