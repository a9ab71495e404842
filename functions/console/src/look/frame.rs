use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};

use crate::{assets, person::Reader};

/// What stands around every page.
pub(crate) struct Frame<'a> {
    pub(crate) reader: &'a Reader,
    pub(crate) title: &'a str,
}

impl Frame<'_> {
    /// The whole page, with its status.
    pub(crate) fn around(&self, status: StatusCode, content: &Markup) -> Response {
        let Self { reader, title } = self;
        let page = html! {
            (DOCTYPE)
            html lang=(reader.language.tag()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " – " (reader.t("console-name")) }
                    link rel="stylesheet" href=(assets::style());
                    link rel="icon" href=(assets::icon()) type="image/svg+xml";
                    script src=(assets::script()) defer {}
                }
                body {
                    a.skip href="#content" { (reader.t("skip-to-content")) }
                    main #content {
                        h1 { (title) }
                        (content)
                    }
                }
            }
        };
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_LANGUAGE, reader.language.tag()),
            (header::VARY, "Accept-Language, Cookie"),
        ];
        (status, headers, page.into_string()).into_response()
    }
}
