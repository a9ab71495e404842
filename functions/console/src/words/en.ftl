# The whole console.
console-name = Broadcast
skip-to-content = Skip to the content

## Around every page.
sections = Sections
section-campaigns = Campaigns
section-imports = Imports
section-files = File Exchange
section-recipients = Recipients
section-retention = Retention
section-users = Users
section-api-keys = API keys
section-audit = Audit log
section-tenants = Tenants
section-queues = Queues
section-errors = Errors
section-lifecycles = Lifecycles
account-of = Logged in as
account-settings = Your account
account-sessions = Your sessions
account-logout = Log out
times-in-zone = Times are in the time zone { $zone }.
way-here = The way to this page
pages = Pages
pages-newer = Newer
pages-older = Older

## Pieces of pages.
cancel = Cancel
copy = Copy
copied = Copied
form-problems =
    { $count ->
        [one] One entry needs your attention
       *[other] { $count } entries need your attention
    }
progress-of = { $done } of { $whole }
share = Share
funnel-stage = Stage
funnel-people = People
funnel-of-before = Of the stage before
funnel-of-all = Of all
plot-numbers = The numbers as a table
plot-span = From { $from } to { $to }:
plot-empty = Nothing yet
plot-hour = Hour

## Times, as they are long or far.
now = just now
in-minutes =
    { $count ->
        [one] in { $number } minute
       *[other] in { $number } minutes
    }
in-hours =
    { $count ->
        [one] in { $number } hour
       *[other] in { $number } hours
    }
in-days =
    { $count ->
        [one] in { $number } day
       *[other] in { $number } days
    }
ago-minutes =
    { $count ->
        [one] { $number } minute ago
       *[other] { $number } minutes ago
    }
ago-hours =
    { $count ->
        [one] { $number } hour ago
       *[other] { $number } hours ago
    }
ago-days =
    { $count ->
        [one] { $number } day ago
       *[other] { $number } days ago
    }
for-seconds =
    { $count ->
        [one] { $number } second
       *[other] { $number } seconds
    }
for-minutes =
    { $count ->
        [one] { $number } minute
       *[other] { $number } minutes
    }
for-hours =
    { $count ->
        [one] { $number } hour
       *[other] { $number } hours
    }
for-days =
    { $count ->
        [one] { $number } day
       *[other] { $number } days
    }

## Errors.
not-found-title = There is no such page
not-found-text = The address may be mistyped, or what it showed is deleted.
unavailable-title = Not possible at the moment
unavailable-text = Something failed on our side. Nothing of what you entered was changed. Please try again in a minute.

## Words of many pages.
state = State
created = Made
actions = What may be done
search = Search
version = Version
campaign = Campaign
domain = Domain
role-may-not = Your role may look at this, and not do it.

## Campaigns.
campaigns-new = New campaign
campaigns-make = Make the campaign
campaigns-search = Name
campaigns-none-title = No campaigns yet
campaigns-none-text = A campaign has recipients, a template and its mailings, and is deleted with all of it at the end of its lifetime.
campaigns-no-such = No campaign has this in its name.
campaign-name = Name
campaign-name-hint = Up to 100 characters, without a slash. Control files and file names use it.
campaign-views = Pages of this campaign
view-overview = Overview
view-responses = Responses
view-imports = Imports
view-template = Template
view-test-mails = Test mails
not-counted = Not counted yet
campaign-new = New
campaign-importing = Importing
campaign-scheduled = Scheduled
campaign-running = Sending
campaign-paused = Paused
campaign-done = Sent
campaign-failed = Failed
campaign-cancelled = Cancelled
campaign-deleting = Being deleted
campaign-deleted = Deleted
campaign-deleted-text = The data of this campaign is deleted. Its sums are left.
campaign-deleting-text = The data of this campaign is being deleted: its last responses are exported first. Its sums stay.
campaign-held-text = Your operator keeps this campaign beyond its lifetime (a legal hold).
campaign-delete = Delete the campaign
campaign-delete-title = Delete this campaign?
campaign-delete-text = Its responses are exported for the last time, then its recipients, mails and responses are deleted for good, within minutes. Its sums and receipts of the deletion stay.
last-launch-ended = Last launch ended
recipients-none-title = No recipients yet
recipients-none-text = Upload a file into Incoming over SFTP, then import it into this campaign.

## Figures.
figure-addresses = Addresses
figure-sent = Sent
figure-delivered = Delivered
figure-opened = Opened
figure-clicked = Clicked
figure-bounced = Bounced
figure-unsubscribed = Unsubscribed
figure-complained = Complaints
counted = Counted
counting-newer = newer numbers are being counted
counting-first = The numbers are being counted. They are here in a moment.
kind-delivered = Delivered
kind-opened = Opened
kind-clicked = Clicked
kind-bounced = Bounced
funnel-caption = From the rows of your files to the mails that arrived
funnel-rows = Rows in files
funnel-imported = Imported
funnel-rejected = rejected: see the import's rows
funnel-addresses = Addresses, each once
funnel-duplicates = the same address in another row: mailed once
funnel-erased = erased on a person's wish
funnel-sent = Sent
funnel-unlaunched = not launched yet
funnel-under-way = on their way
funnel-suppressed = suppressed: unsubscribed, complained or bounced before
funnel-refused = refused by the relay
funnel-failed = could not be made
funnel-cancelled = cancelled with their launch
funnel-expired = too late: no relay took them within a day
funnel-unknown = unknown: the connection broke after the content
funnel-delivered = Delivered
funnel-bounced = bounced
funnel-undelivered = bounced, or not reported yet
funnel-assumed = The relay does not report deliveries: what was sent and did not come back counts as delivered.
funnel-unbalanced = These numbers do not agree at this moment. While rows come in that is so for seconds; if it stays, tell your operator.
hours-title = Hour by hour
hours-none = Nothing came back yet.
links-title = Links
links-none = No version with links was launched yet.
links-url = Link, as the template has it
links-mails = Mails
links-total = Clicks
links-human = Clicks of people
domains-title = Domains
domains-none = No mail has gone to any domain yet.
domains-more = The { $shown } largest of { $all } domains.
versions-title = Versions of the template
bounces-title = Why mails came back
bounces-none = None came back.
bounces-reason = Reason
bounces-mails = Mails
bounce-hard = For good
bounce-soft = For the moment
bounce-block = Blocked
bounce-unknown = no such mailbox
bounce-disabled = the mailbox is switched off
bounce-full = the mailbox is full
bounce-large = the mail is too large
bounce-unreachable = the server was not reached in time
bounce-policy = refused by the receiver's rules
bounce-authentication = the sender's authentication was not accepted

## Launches.
launch = Launch
launches = Launches
launch-template = Template
launch-begun = Begins
launch-ended = Ended
launch-title = Launch this campaign
launch-people = { $count ->
    [0] There is nobody to mail at this moment: everybody who is imported was mailed already.
    [one] { $number } person will get a mail.
   *[other] { $number } people will get a mail.
}
launch-when = When
launch-now = Now
launch-later = Later
launch-at = At
launch-at-hint = In the time zone { $zone }.
launch-at-wrong = Choose a day and a time, or launch now.
launch-pace = Spread over so many minutes
launch-pace-hint = Leave it empty to send at once. At most a week: 10080.
launch-pace-wrong = Enter whole minutes, or leave it empty.
launch-paced = spread over { $minutes } minutes
launch-scheduled = Scheduled
launch-preparing = Preparing
launch-running = Sending
launch-paused = Paused
launch-done = Done
launch-failed = Failed
launch-cancelled = Cancelled
launch-pause = Pause
launch-pause-title = Pause this launch?
launch-pause-text = Within seconds nothing is handed over any more. Nothing is lost, and it goes on where it stood when you resume it.
launch-resume = Resume
launch-resume-title = Resume this launch?
launch-resume-text = It goes on where it stood.
launch-cancel = Cancel the launch
launch-cancel-title = Cancel this launch for good?
launch-cancel-text = Who was not mailed by now is not mailed by this launch any more. A later launch mails them.

## Templates.
template-save = Save as a new version
template-preview = Preview
template-files = This template has files. The console would lose them: change it over the API.
template-from_name = Sender's name
template-from_name-hint = What people see: your organisation.
template-from_address = Sender's address
template-from_address-hint = At a domain that is confirmed for your account.
template-locale = Language of the mail
template-locale-hint = As a tag: en, en-GB, de, fr-CH. Dates and numbers are written by it.
template-subject = Subject
template-subject-hint = Fields stand between double braces, as everywhere.
template-preheader = Preheader
template-preheader-hint = What mail programs show behind the subject. May be empty.
template-html = HTML
template-html-hint = A column of your file is a field. The field unsubscribe_url must stand there.
template-text = Text
template-text-hint = For those who read no HTML. Empty: it is made from the HTML.
preview-masked = A real recipient's row, of which each value shows its first letters alone. Links lead nowhere, and pictures from elsewhere are not loaded.
preview-line = Line of the file
preview-show = Show
preview-frame = The mail as HTML

## Test mails.
test-mails-to = To
test-mails-to-hint = Up to ten addresses, one a line. They count nowhere.
test-mails-line = With the fields of this line of the file
test-mails-line-hint = Empty: each field shows its name.
test-mails-line-wrong = Enter the number of a line, or leave it empty.
test-mails-send = Send test mails
test-mails-sent = Sent lately
test-mails-reply = What the relay said
mail-pending = Waiting
mail-spooled = Made
mail-sending = Being sent
mail-deferred = Tried again later
mail-sent = Sent
mail-refused = Refused
mail-failed = Could not be made
mail-suppressed = Suppressed
mail-cancelled = Cancelled
mail-expired = Too late
mail-unknown = Unknown

## Imports.
imports-none-title = No imports yet
imports-none-text = Files come in over SFTP. An import reads one of them into this campaign.
importing-file = Importing { $file }
import-a-file = Import a file
import-no-files = There is no file in Incoming. Upload one over SFTP; it stands here then.
import-file = File
import-profile = Import profile
import-profile-hint = How the file is read: delimiter, charset, columns.
import-profile-usual = Your usual one
import-then = And then
import-launch = Launch as soon as it is imported
import-begin = Begin the import
import-read = Read
import-rows = Rows
import-imported = Imported
import-duplicates = Duplicates
import-rejected = Rejected
import-size = Size
import-charset = Charset
import-delimiter = Delimiter
import-ended = Ended
import-waiting = Waiting
import-running = Being read
import-published = Being finished
import-refusing = Being refused
import-finished = Imported
import-refused = Refused
rejected-title = Rows that were rejected
rejected-line = Line
rejected-column = Column
rejected-reason = Why
rejected-file = The file
rejected-more = These are the first ones. The report beside the file, in Invalids, has all of them.
