# The whole console.
console-name = Broadcast
skip-to-content = Skip to the content

## Around every page.
sections = Sections
section-campaigns = Campaigns
section-imports = Imports
section-profiles = Import profiles
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
refused-title = That is not possible
form-unreadable-title = The form could not be read
form-unreadable-text = Nothing was changed. Go back, reload the page and try again.
unavailable-title = Not possible at the moment
unavailable-text = Something failed on our side. Nothing of what you entered was changed. Please try again in a minute.
forbidden-title = Not with your role
forbidden-text = Your role does not include this. An administrator of your organisation can change that.
form-refused-title = This form is too old
form-refused-text = It belongs to another session, or to none any more. Nothing was changed. Please go back, load the page again, and send the form once more.
too-large-title = That is too much
too-large-text = The form is larger than one megabyte. Nothing was changed.

## Words of many pages.
state = State
created = Made
actions = What may be done
search = Search
version = Version
campaign = Campaign
domain = Domain
role-may-not = Your role may look at this, and not do it.
