//! Markdown as HTML. The texts are ours; what looks like HTML in them is text all the same.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

/// A description: paragraphs, lists, code, links.
pub(super) fn text(markdown: &str) -> String {
    render(Parser::new(markdown).map(as_text))
}

/// A whole page. Headings get ids; a link to a file beside the page, which is nowhere in the web, is its text alone.
pub(super) fn page(markdown: &str) -> String {
    let mut events: Vec<Event<'_>> = Parser::new_ext(markdown, Options::ENABLE_TABLES).map(as_text).collect();
    let mut ids = headings(&events).into_iter();
    let mut kept = Vec::new();
    events.retain_mut(|event| match event {
        Event::Start(Tag::Heading { id, .. }) => {
            *id = ids.next().map(CowStr::from);
            true
        }
        Event::Start(Tag::Link { dest_url, .. }) => {
            kept.push(leads_somewhere(dest_url));
            kept.last().copied().unwrap_or(true)
        }
        Event::End(TagEnd::Link) => kept.pop().unwrap_or(true),
        _ => true,
    });
    render(events.into_iter())
}

fn leads_somewhere(place: &str) -> bool {
    ["/", "#", "https://"].iter().any(|beginning| place.starts_with(beginning))
}

fn as_text(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        other => other,
    }
}

/// An id for each heading, in their order: its words with hyphens.
fn headings(events: &[Event<'_>]) -> Vec<String> {
    let mut ids = Vec::new();
    let mut words: Option<String> = None;
    for event in events {
        match event {
            Event::Start(Tag::Heading { .. }) => words = Some(String::new()),
            Event::Text(text) | Event::Code(text) => words.iter_mut().for_each(|words| words.push_str(text)),
            Event::End(TagEnd::Heading(_)) => {
                ids.extend(words.take().map(|words| slug(&words)));
            }
            _ => {}
        }
    }
    ids
}

/// As GitHub makes them, so that links within the file lead to the same place in both.
pub(super) fn slug(words: &str) -> String {
    let letters = words.chars().filter(|char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_'));
    letters.flat_map(char::to_lowercase).map(|char| if char == ' ' { '-' } else { char }).collect()
}

fn render<'e>(events: impl Iterator<Item = Event<'e>>) -> String {
    let mut written = String::new();
    html::push_html(&mut written, events);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_descriptions_use_is_shown() {
        for (markdown, expected) in [
            ("A `code` and **more**.", "<p>A <code>code</code> and <strong>more</strong>.</p>\n"),
            ("One\ntwo\n\nthree", "<p>One\ntwo</p>\n<p>three</p>\n"),
            (
                "- [`a`](/docs/problems/a): b",
                "<ul>\n<li><a href=\"/docs/problems/a\"><code>a</code></a>: b</li>\n</ul>\n",
            ),
            ("a <b>bold</b> & `<i>`", "<p>a &lt;b&gt;bold&lt;/b&gt; &amp; <code>&lt;i&gt;</code></p>\n"),
        ] {
            assert_eq!(text(markdown), expected);
        }
    }

    #[test]
    fn a_page_has_places_and_no_links_to_files() {
        let markdown = "## Quick start: `up`\n\n[here](#quick-start-up), [there](../gateway/README.md), [docs](/docs)\n\n|a|\n|---|\n|b|\n";
        let html = page(markdown);
        for part in [
            "<h2 id=\"quick-start-up\">",
            "<a href=\"#quick-start-up\">here</a>, there, <a href=\"/docs\">docs</a>",
            "<td>b</td>",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
    }
}
