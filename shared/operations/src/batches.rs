//! The import call of the system that came before: XML under `/v2/batches/{id}/import`, onto the same imports. A batch is a campaign.
//!
//! It covers the call with its file, delimiter and encoding, and the status of the campaign's newest import. Everything else is `/v1`.

use std::{fmt::Write, sync::Arc};

use axum::{
    extract::{FromRequest, Request, State},
    http::header,
    response::{IntoResponse, Response},
};
use contract::Profile;
use fault::{Code, Notice, Phrase};
use quick_xml::{
    Reader,
    escape::{escape, unescape},
    events::{BytesStart, Event},
};
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use utoipa::ToSchema;

use crate::{
    OperationError, Services,
    answer::Answer,
    caller::Caller,
    campaigns::Campaign,
    imports::{Import, NewImport, begin},
    request::{Id, body, invalid, malformed, says},
};

/// Where the old system's customers had their uploads; a path may begin with it or not.
const INCOMING: &str = "Incoming/";

/// `<importRequest>` as it came.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ImportRequest {
    file_path: String,
    delimiter: Option<String>,
    encoding: Option<String>,
}

impl<S: Send + Sync> FromRequest<S> for ImportRequest {
    type Rejection = OperationError;

    async fn from_request(request: Request, state: &S) -> Result<Self, OperationError> {
        if !says(request.headers(), &["application/xml", "text/xml"]) {
            return Err(Notice::new(Code::MediaType).with("expected", "XML (application/xml)").into());
        }
        let bytes = body(request, state).await?;
        read(std::str::from_utf8(&bytes).map_err(|_| malformed("it is not UTF-8"))?)
    }
}

/// The body, for the description.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(title = "importRequest", xml(name = "importRequest"))]
#[allow(dead_code, reason = "describes the body")]
pub(crate) struct BatchImport {
    /// Below Incoming.
    #[schema(min_length = 1, max_length = 900, rename = "filePath")]
    file_path: String,
    property: Vec<BatchProperty>,
}

/// A property of the body.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "describes the body")]
pub(crate) struct BatchProperty {
    /// `Delimiter` or `Encoding`.
    #[schema(xml(attribute), pattern = "^(Delimiter|Encoding)$")]
    name: String,
    #[schema(xml(attribute))]
    value: String,
}

/// Import a file into a batch
///
/// `<importRequest><filePath>list.csv</filePath><property name="Delimiter">;</property></importRequest>`, for example.
///
/// `filePath` names a file in Incoming; the properties `Delimiter` (`tab`, `,`, `;` or `|`) and `Encoding` may be left out, and are then
/// detected. A batch is a campaign: its id is the campaign's. Not covered: other properties, paths outside of Incoming, launching. Problems are
/// JSON as everywhere.
#[utoipa::path(
    post, path = "/batches/{id}/import", operation_id = "import_batch", tag = "Version 2", security(("key" = ["imports:write"])),
    request_body(content = BatchImport, content_type = "application/xml",
                 example = json!({"filePath": "list.csv", "property": [{"name": "Delimiter", "value": ";"}, {"name": "Encoding", "value": "UTF-8"}]})),
    responses((status = 202, description = "It will be imported. `Location` tells how far it is.", body = String, content_type = "application/xml",
               headers(("Location" = String)))),
    extensions(("x-problems" = json!(["file_missing", "campaign_ended"])))
)]
pub(crate) async fn import(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(batch): Id,
    request: ImportRequest,
) -> Result<Response, OperationError> {
    let response = begin(&services, &caller, batch, request.call()?, |_| {
        let place = format!("/v2/batches/{batch}/import/status");
        Ok(Answer {
            body: b"<importResponse><status>waiting</status></importResponse>".to_vec(),
            ..Answer::accepted(place, &())?
        })
    });
    Ok(as_xml(response.await?))
}

/// Show the status of a batch's import
///
/// Of the newest one: `status` (`waiting`, `running`, `finished` or `error`), `created`, `updated`, and then `error`, or `imported_count`,
/// `invalid_count`, `column_count` and `file_size`.
#[utoipa::path(
    get, path = "/batches/{id}/import/status", operation_id = "show_batch_import", tag = "Version 2", security(("key" = ["campaigns:read"])),
    responses((status = 200, description = "How far it is.", body = String, content_type = "application/xml"))
)]
pub(crate) async fn status(
    State(services): State<Arc<Services>>,
    caller: Caller,
    Id(batch): Id,
) -> Result<Response, OperationError> {
    let mut tx = services.store.tenant(caller.tenant).await?;
    Campaign::load(&mut tx, batch).await?;
    let import = Import::newest(&mut tx, batch).await?;
    Ok(as_xml(document(&import, caller.now).into_response()))
}

fn as_xml(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/xml"));
    response
}

impl ImportRequest {
    /// The same in the form of `/v1`.
    fn call(self) -> Result<NewImport, OperationError> {
        let path = self.file_path.trim();
        let path = path.trim_start_matches('/');
        let delimiter = self.delimiter.as_deref().map(delimiter).transpose()?;
        let charset = self.encoding.map(|text| text.trim().to_owned());
        Ok(NewImport {
            file: path.strip_prefix(INCOMING).unwrap_or(path).to_owned(),
            profile: None,
            overrides: Some(Profile { delimiter, charset, ..Profile::default() }),
            size: None,
            sha256: None,
            launch: false,
            again: false,
        })
    }
}

fn delimiter(text: &str) -> Result<char, OperationError> {
    match text {
        "\t" | "\\t" | "tab" | "TAB" | "Tab" => Ok('\t'),
        "," | ";" | "|" => Ok(text.chars().next().unwrap_or(',')),
        _ => Err(invalid("Delimiter", Phrase::Delimiter)),
    }
}

/// Reads the document. Elements and properties that are not known are refused by name: who sends one expects something of it.
fn read(text: &str) -> Result<ImportRequest, OperationError> {
    let mut reader = Reader::from_str(text);
    let mut request = ImportRequest::default();
    let mut target: Option<Target> = None;
    let mut inside = false;
    loop {
        match reader.read_event().map_err(malformed)? {
            Event::Start(tag) if !inside => {
                known(&tag, b"importRequest")?;
                inside = true;
            }
            Event::Start(tag) => target = Target::of(&tag, &mut request)?,
            Event::Empty(tag) if inside => {
                Target::of(&tag, &mut request)?;
            }
            Event::End(tag) if tag.name().as_ref() == b"importRequest" => break,
            Event::End(_) => target = None,
            Event::Text(text) => add(&mut request, target, &text.decode().map_err(malformed)?)?,
            Event::CData(text) => add(&mut request, target, &text.decode().map_err(malformed)?)?,
            Event::GeneralRef(name) => {
                let name = name.decode().map_err(malformed)?;
                let text = unescape_reference(&name)?;
                add(&mut request, target, &text)?;
            }
            Event::Decl(_) | Event::Comment(_) => {}
            Event::Eof => return Err(malformed("the element importRequest is missing, or not closed")),
            Event::DocType(_) | Event::PI(_) | Event::Empty(_) => {
                return Err(malformed("only the element importRequest is possible"));
            }
        }
    }
    if request.file_path.trim().is_empty() {
        return Err(malformed("the element filePath is missing"));
    }
    Ok(request)
}

/// Where a text belongs to.
#[derive(Clone, Copy)]
enum Target {
    FilePath,
    Delimiter,
    Encoding,
}

impl Target {
    /// Of an element within importRequest; a property may have its value as an attribute.
    fn of(tag: &BytesStart<'_>, request: &mut ImportRequest) -> Result<Option<Self>, OperationError> {
        match tag.name().as_ref() {
            b"filePath" => return Ok(Some(Self::FilePath)),
            b"properties" => return Ok(None),
            _ => known(tag, b"property")?,
        }
        let (mut target, mut value) = (None, None);
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(malformed)?;
            let raw = std::str::from_utf8(&attribute.value).map_err(malformed)?;
            let text = unescape(raw).map_err(malformed)?;
            match attribute.key.as_ref() {
                b"name" | b"key" => target = Some(Self::property(&text)?),
                b"value" => value = Some(text.into_owned()),
                _ => return Err(malformed("a property has the attributes name and value")),
            }
        }
        let target = target.ok_or_else(|| malformed("a property has no name"))?;
        if let Some(value) = value {
            add(request, Some(target), &value)?;
        }
        Ok(Some(target))
    }

    fn property(name: &str) -> Result<Self, OperationError> {
        match name {
            "Delimiter" => Ok(Self::Delimiter),
            "Encoding" => Ok(Self::Encoding),
            _ => Err(malformed(format!("the property {name:?} is not known; Delimiter and Encoding are"))),
        }
    }
}

fn known(tag: &BytesStart<'_>, expected: &'static [u8]) -> Result<(), OperationError> {
    let name = tag.name();
    if name.as_ref() == expected {
        return Ok(());
    }
    let name = String::from_utf8_lossy(name.as_ref()).into_owned();
    Err(malformed(format!("the element {name:?} is not known here")))
}

fn unescape_reference(name: &str) -> Result<String, OperationError> {
    let text = format!("&{name};");
    Ok(unescape(&text).map_err(malformed)?.into_owned())
}

/// Adds to what the text belongs to. Text between elements is white space.
fn add(request: &mut ImportRequest, target: Option<Target>, text: &str) -> Result<(), OperationError> {
    match target {
        Some(Target::FilePath) => request.file_path.push_str(text),
        Some(Target::Delimiter) => request.delimiter.get_or_insert_default().push_str(text),
        Some(Target::Encoding) => request.encoding.get_or_insert_default().push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(malformed("there is text outside of filePath and property")),
    }
    Ok(())
}

/// The status of an import, as the old system told it.
fn document(import: &Import, now: OffsetDateTime) -> String {
    let status = match import.state.as_str() {
        "waiting" => "waiting",
        "finished" => "finished",
        "refused" => "error",
        _ => "running",
    };
    let time = |at: OffsetDateTime| at.format(&Rfc3339).unwrap_or_default();
    let updated = import.ended_at.unwrap_or(now);
    let mut xml = String::from("<importStatus>");
    let mut element = |name: &str, text: &str| {
        // Writing into a string does not fail.
        let _ = write!(xml, "<{name}>{}</{name}>", escape(text));
    };
    element("status", status);
    element("created", &time(import.created_at));
    element("updated", &time(updated));
    if status == "error" {
        element("error", import.reason.as_deref().unwrap_or_default());
    } else {
        element("imported_count", &import.imported.to_string());
        element("invalid_count", &import.rejected.to_string());
        element("column_count", &import.columns.unwrap_or(0).to_string());
        element("file_size", &import.bytes_total.to_string());
    }
    xml.push_str("</importStatus>");
    xml
}

#[cfg(test)]
mod tests {
    use fault::{Disposition, Fault};

    use super::*;

    fn request(file_path: &str, delimiter: Option<&str>, encoding: Option<&str>) -> ImportRequest {
        ImportRequest {
            file_path: file_path.to_owned(),
            delimiter: delimiter.map(str::to_owned),
            encoding: encoding.map(str::to_owned),
        }
    }

    #[test]
    fn a_request_has_a_file_and_properties() {
        for (text, expected) in [
            ("<importRequest><filePath>a.csv</filePath></importRequest>", request("a.csv", None, None)),
            (
                "<?xml version=\"1.0\"?>\n<!-- x --><importRequest>\n <filePath>a&amp;b.csv</filePath>\n <properties>\
                 <property name=\"Delimiter\">;</property><property key=\"Encoding\" value=\"UTF-8\"/></properties>\n</importRequest>",
                request("a&b.csv", Some(";"), Some("UTF-8")),
            ),
            (
                "<importRequest><property name=\"Delimiter\" value=\"&#9;\"/><filePath><![CDATA[<a>.csv]]></filePath></importRequest>",
                request("<a>.csv", Some("\t"), None),
            ),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (text, name) in [
            ("<importRequest><filePath>a</filePath><launch>1</launch></importRequest>", "launch"),
            ("<importRequest><property name=\"Quote\">x</property></importRequest>", "Quote"),
            ("<export/>", "importRequest"),
            ("<importRequest></importRequest>", "filePath"),
            ("<importRequest><filePath>a", "importRequest"),
            ("<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><importRequest/>", "importRequest"),
            ("<importRequest><filePath>&e;</filePath></importRequest>", "e"),
            ("", "importRequest"),
        ] {
            let words = match read(text).unwrap_err().disposition() {
                Disposition::Customer(notice) => notice.words(),
                other => panic!("{other:?}"),
            };
            assert!(words.contains(name), "{text}: {words}");
        }
    }

    #[test]
    fn it_is_an_import_of_version_one() {
        let call = request(" /Incoming/x/a.csv ", Some("tab"), Some("latin1")).call().unwrap();
        let overrides = call.overrides.unwrap();
        assert_eq!(
            (call.file.as_str(), overrides.delimiter, overrides.charset.as_deref()),
            ("x/a.csv", Some('\t'), Some("latin1"))
        );
        assert!(request("a.csv", Some(":"), None).call().is_err());
    }
}
