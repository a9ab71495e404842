# Was die Lücken von faults.ftl füllt und von uns ist.

## Was ein Feld sein muss.
at-most = höchstens { $max } sind möglich
at-most-bytes = höchstens { $max } Bytes sind möglich
at-most-characters = höchstens { $max } Zeichen sind möglich und keine Steuerzeichen
between = { $min } bis { $max } sind möglich
characters = 1 bis { $max } Zeichen sind möglich
characters-plain = 1 bis { $max } Zeichen sind möglich und keine Steuerzeichen
nul = es enthält ein NUL-Zeichen
past = der Zeitpunkt ist vorbei
past-start = der Zeitpunkt ist vorbei; lassen Sie ihn weg, um jetzt zu beginnen
pace = 1 bis { $max } sind möglich
campaign-name = ein Schrägstrich, ein Steuerzeichen oder ein Leerzeichen am Anfang oder Ende ist nicht möglich
file-name = 1 bis { $max } Bytes sind möglich und kein Schrägstrich am Ende
file-control = das ist eine Steuerdatei; nennen Sie die Datei, zu der sie gehört
profile-name = 1 bis { $max } Buchstaben, Ziffern, Punkte und Unterstriche sind möglich: In Dateinamen steht der Name zwischen Bindestrichen
profiles-max = das Konto hat schon { $max } Profile
delimiter = ein Tabulator, ein Komma, ein Semikolon oder ein senkrechter Strich ist möglich
charset = kein Zeichensatz heißt nach WHATWG so; üblich sind utf-8 und windows-1252
sender-ascii = Buchstaben außerhalb von ASCII sind vor dem @-Zeichen eines Absenders nicht möglich
address-twice = die Adresse steht zweimal da
networks = jede Angabe ist eine Adresse oder ein Netz wie 192.0.2.0/24, bei dem hinter dem Präfix nichts gesetzt ist
no-scope = ein Schlüssel ohne Berechtigung kann nichts tun
pgp-purpose = recipient und signer sind möglich

## Vorlagen.
locale-tag = das ist kein Sprachkürzel (BCP 47) wie en, de oder en-GB
locale-unknown = wie diese Sprache Daten und Zahlen schreibt, ist nicht bekannt
source-too-large = er ist größer als { $max } KiB
inlined-too-large = mit dem CSS in seinen Elementen ist er größer als { $max } KiB
css-unreadable = sein CSS ist nicht lesbar
css-too-much = er hat zu viele Elemente und CSS-Regeln, oder Elemente, die nirgends enden
reserved = Namen, die mit { $begin } beginnen, sind reserviert
date-style = ein Datum ist short, medium, long oder full
dates-unknown = wie diese Sprache Daten schreibt, ist nicht bekannt
decimals = eine Zahl hat 0 bis 10 Nachkommastellen
numbers-unknown = wie diese Sprache Zahlen schreibt, ist nicht bekannt
links-max = höchstens { $max } Links sind möglich
link-whole = ein Feld kann nicht der ganze Link sein: Schema und Host müssen in der Vorlage stehen
link-scheme = er muss mit https://, http://, mailto: oder tel: beginnen
link-field-in-host = ein Feld kann nur im Pfad oder dahinter stehen, nicht im Host
link-host = sein Host ist nicht gültig
link-too-long = er ist länger als 2000 Bytes
inline-named-by-field = Zeile { $line } des HTML-Teils zeigt sie, und ein Feld kann nicht Teil ihres Namens sein
inline-attached = Zeile { $line } des HTML-Teils zeigt sie, aber sie ist ein Anhang und nicht eingebettet
inline-missing = Zeile { $line } des HTML-Teils zeigt sie, aber die Vorlage hat keine Datei dieses Namens
inline-unused = sie ist eingebettet, aber der HTML-Teil zeigt kein cid:{ $file }

## Eine Mail.
mail-fuel = zu viel Arbeit im { part }, Zeile { $line }
mail-too-long = der { part } ist zu lang
mail-link = ein Link im { part } ist nicht gültig, Zeile { $line }
mail-unsubscribe = im { part } fehlt der Link zum Abmelden
mail-field = das Feld „{ $field }“ ist leer, { part }, Zeile { $line }
mail-value = das Feld „{ $field }“ ist { $problem }, { part }, Zeile { $line }
no-date = kein Datum, das sich zweifelsfrei lesen lässt
no-number = keine Zahl, die sich zweifelsfrei lesen lässt
not-usable = dort nicht brauchbar

## Schlüssel.
pgp-malformed = es ist nicht genau ein OpenPGP-Schlüssel
pgp-private = es ist ein privater Schlüssel, und nur der öffentliche wird gebraucht
pgp-no-encryption = er hat keinen gültigen Schlüssel zum Verschlüsseln
pgp-no-signing = er hat keinen gültigen Schlüssel zum Signieren

## Was eine Datei ist, und was in ihr ist.
file = eine Datei
file-packed = eine gepackte Datei
file-encrypted = eine verschlüsselte Datei
no-file = keine Datei
many-files = mehr als eine Datei
tar = tar-Archiv
seven-zip = 7-Zip
rar = RAR
xz = xz
zstandard = Zstandard
bzip2 = bzip2
lz4 = LZ4
lzip = lzip
cabinet = Cabinet
excel = eine Excel-Arbeitsmappe (.xlsx) oder ein anderes Office-Dokument
excel-old = eine alte Excel-Arbeitsmappe (.xls) oder ein anderes Office-Dokument
pdf = ein PDF-Dokument
rtf = ein RTF-Dokument
parquet = eine Parquet-Datei
sqlite = eine SQLite-Datenbank
picture = ein Bild
utf-32 = Text in UTF-32
pgp-key-file = ein OpenPGP-Schlüssel
pgp-signed-text = ein Text mit einer OpenPGP-Signatur
web-page = eine Webseite
xml = ein XML-Dokument
control-too-large = sie ist größer als { $max } Bytes
