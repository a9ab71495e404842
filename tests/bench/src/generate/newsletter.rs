//! A mailing as customers send them: a newsletter of tables and inline styles, 20 KB of HTML and 2 KB of text, with ten fields and ten links,
//! and recipients of whom no two are alike.

use std::fmt::Write;

/// Beside the address, which is no field of the template. Each stands in the template once.
pub const COLUMNS: [&str; 10] = [
    "first_name",
    "last_name",
    "city",
    "customer_number",
    "points",
    "store",
    "advisor",
    "last_order",
    "voucher",
    "valid_until",
];
pub const SUBJECT: &str = "Autumn news for our friends";
/// The sections with a link of their own; the others are in the head and the foot.
const SECTIONS: usize = 8;
const SECTION_WORDS: usize = 200;
const TEXT_WORDS: usize = 120;
const WORDS: &str = "about above after again along always among another around autumn back basket because before begin behind below \
    best between bicycle both bread bright bring brother build busy careful carry catch centre change choice city clean clear \
    climb close coat coffee colour come corner country cover create daily deep deliver design different discover door double early \
    earth easy edge effort enough evening every example family favourite field find first floor follow forest free fresh friend from \
    garden gather gentle gift give glass gold good great green ground group grow guest half hand happy harvest hear heart help here \
    high hold home honest hour house idea inside invite journey keep kind kitchen large late learn leave letter light little local long \
    look made make many market meadow meet member morning mountain music near never next night north note offer often open orchard \
    order over paper park part people piece place plain plant please price quality quiet quick rain reach ready receive river road room \
    round sale save season second send share shop short show side simple small smile soft south special spring start station stay step \
    still stone store story street strong summer table taste thank that their there thing this time today together town travel tree under \
    until value very village visit voucher walk wall warm water week welcome well west what when where which while white wide window wine \
    winter with without wonder wood wool work world year yellow young your";

/// Words in no order, the same in each run.
struct Words(u64);

impl Words {
    fn number(&mut self) -> usize {
        // Knuth's multiplier; the upper bits are the better ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 40).unwrap_or_default()
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.number() % words.len()]
    }

    /// A paragraph, in lines as an editor breaks them.
    fn paragraph(&mut self, words: usize) -> String {
        let all: Vec<&str> = WORDS.split_ascii_whitespace().collect();
        let (mut text, mut line) = (String::new(), 0);
        for word in 0..words {
            let one = self.pick(&all);
            let end = if self.number().is_multiple_of(11) { ". And" } else { "" };
            if line > 90 {
                text.push('\n');
                line = 0;
            } else if word > 0 {
                text.push(' ');
            }
            line += one.len() + end.len() + 1;
            text.push_str(one);
            text.push_str(end);
        }
        text + "."
    }
}

fn link(number: usize) -> String {
    format!(
        "https://shop.example.com/autumn/{number}-offers?source=newsletter&amp;medium=email&amp;campaign=autumn-2026"
    )
}

/// The HTML part.
pub fn html() -> String {
    let mut words = Words(1);
    let mut html = String::from(HEAD);
    let fields = [
        "You have {{ points }} points, {{ first_name }}.",
        "Your shop is {{ store }} in {{ city }}.",
        "Your advisor is {{ advisor }}.",
        "Your last order was on {{ last_order }}.",
        "Your voucher: {{ voucher }}, good until {{ valid_until }}.",
        "Your number: {{ customer_number }}.",
        "We look forward to your visit.",
        "See you soon, dear friend.",
    ];
    for (number, field) in fields.iter().enumerate().take(SECTIONS) {
        let (title, paragraph) = (words.paragraph(5), words.paragraph(SECTION_WORDS));
        let target = link(number);
        let _ = write!(
            html,
            r#"<tr>
<td class="section" style="padding:24px 32px 8px 32px;font-family:Helvetica,Arial,sans-serif;">
<img src="https://images.example.com/2026/autumn/{number}.jpg" width="536" height="220" alt="" style="display:block;width:100%;max-width:536px;border:0;">
<h2 style="margin:16px 0 8px 0;font-size:20px;line-height:26px;color:#1f3d2b;">{title}</h2>
<p style="margin:0 0 12px 0;font-size:15px;line-height:23px;color:#333333;">{paragraph}</p>
<p style="margin:0 0 12px 0;font-size:15px;line-height:23px;color:#333333;"><strong>{field}</strong></p>
<a href="{target}" style="display:inline-block;padding:10px 22px;background:#2f6f4f;color:#ffffff;text-decoration:none;border-radius:4px;">Read more</a>
</td>
</tr>
"#
        );
    }
    let _ = write!(
        html,
        "<tr><td><a href=\"{}\">All offers</a> <a href=\"{}\">Our shops</a></td></tr>\n{FOOT}",
        link(8),
        link(9)
    );
    html
}

/// The text part.
pub fn text() -> String {
    let mut words = Words(2);
    let mut text = String::from("Dear {{ first_name }} {{ last_name }},\n\n");
    for _ in 0..3 {
        let _ = write!(text, "{}\n\n", words.paragraph(TEXT_WORDS / 3 + 10));
    }
    let _ = write!(
        text,
        "Your voucher: {{{{ voucher }}}}, good until {{{{ valid_until }}}}, at {{{{ store }}}} in {{{{ city }}}}.\n\n{}\n\nNo more news: {{{{ unsubscribe_url }}}}\n",
        words.paragraph(TEXT_WORDS)
    );
    text
}

/// One recipient's fields in the order of [`COLUMNS`]; some have letters beyond ASCII and characters that HTML escapes.
pub fn fields(number: usize) -> Vec<String> {
    let mut words = Words(number as u64 + 1_000);
    let first = [
        "Anna",
        "Bj\u{f6}rn",
        "Chlo\u{e9}",
        "David",
        "Elif",
        "Fran\u{e7}oise",
        "Georg",
        "Hanna",
        "Ivan",
        "J\u{fc}rgen",
    ];
    let last = [
        "M\u{fc}ller",
        "O'Brien",
        "Smith & Sons",
        "Nowak",
        "Garc\u{ed}a",
        "Rossi",
        "Jensen",
        "Kowalski",
        "Dubois",
        "Yilmaz",
    ];
    let city = [
        "Cologne",
        "Vienna",
        "Z\u{fc}rich",
        "Graz",
        "Paris",
        "Oslo",
        "Madrid",
        "Gda\u{144}sk",
        "Leeds",
        "Ghent",
    ];
    let day =
        |words: &mut Words| format!("2026-{:02}-{:02}", words.number() % 12 + 1, words.number() % 28 + 1);
    vec![
        words.pick(&first).to_owned(),
        words.pick(&last).to_owned(),
        words.pick(&city).to_owned(),
        format!("K-{:08}", words.number() % 100_000_000),
        (words.number() % 20_000).to_string(),
        format!("Market Street {}", words.number() % 200),
        format!("{} {}", words.pick(&first), words.pick(&last)),
        day(&mut words),
        format!("{:06X}-{:06X}", words.number() & 0xff_ffff, words.number() & 0xff_ffff),
        day(&mut words),
    ]
}

const HEAD: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Autumn news</title>
<style>
body { margin: 0; padding: 0; background: #f4f1ea; -webkit-text-size-adjust: 100%; }
table { border-collapse: collapse; mso-table-lspace: 0; mso-table-rspace: 0; }
img { -ms-interpolation-mode: bicubic; }
a { color: #2f6f4f; }
@media only screen and (max-width: 620px) {
  .outer { width: 100% !important; }
  .section { padding: 16px 12px 4px 12px !important; }
}
@media (prefers-color-scheme: dark) {
  body { background: #1d1d1b !important; }
  .section, .section p { background: #2a2a27 !important; color: #eeeeee !important; }
}
</style>
</head>
<body>
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"><tr><td align="center">
<table role="presentation" class="outer" width="600" cellpadding="0" cellspacing="0" border="0" style="width:600px;background:#ffffff;">
<tr><td class="section" style="padding:32px;font-family:Georgia,serif;font-size:26px;color:#1f3d2b;">Dear {{ first_name }} {{ last_name }}, here is the autumn.</td></tr>
"#;
const FOOT: &str = r#"<tr><td class="section" style="padding:24px 32px;font-family:Helvetica,Arial,sans-serif;font-size:12px;line-height:18px;color:#777777;">
Example Shops Ltd, 1 Market Street, 12345 Example Town. You get this mail because you asked for our news.
If you want no more of it: <a href="{{ unsubscribe_url }}" style="color:#777777;">leave the list</a>.
</td></tr>
</table>
</td></tr></table>
</body>
</html>
"#;
