//! When something is over: pure decisions.

use contract::Folder;
use exchange::Retention;
use time::{Duration, OffsetDateTime};

/// A campaign is closed this long before its end, so that its last responses are exported and its data is gone within five minutes
/// after the end.
pub const CLOSING: Duration = Duration::minutes(5);
/// How long a closed campaign waits for its final export. After it the promise to delete goes before the last responses.
pub const FINAL_EXPORT_WAIT_MAX: Duration = Duration::hours(1);
/// The whole File Exchange is listed this often.
const LISTING_INTERVAL: Duration = Duration::days(1);

/// A tenant's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The folders'.
    pub retention: Retention,
    /// After the last launch's end, or without one after the creation.
    pub campaign_hours: i32,
    /// After the creation, whatever else.
    pub campaign_hours_max: i32,
    /// After a launch was cancelled, for those whom it did not mail; 0: as long as the campaign.
    pub cancelled_hours: i32,
    /// The account is being deleted: all of it is over.
    pub deleting: bool,
    /// How long audit lines are kept.
    pub audit_days: i32,
}

impl Settings {
    /// How long a folder keeps its files.
    pub fn folder_hours(&self, folder: Folder) -> i32 {
        match folder {
            Folder::Incoming => self.retention.incoming_hours,
            Folder::Finished => self.retention.finished_hours,
            Folder::Invalids => self.retention.invalids_hours,
            Folder::Exports => self.retention.exports_hours,
        }
    }

    /// What arrived in the folder at this time or before is over.
    pub fn folder_cutoff(&self, folder: Folder, now: OffsetDateTime) -> OffsetDateTime {
        let hours = if self.deleting { 0 } else { self.folder_hours(folder) };
        now - Duration::hours(i64::from(hours))
    }

    /// The same in words, for receipts.
    pub fn folder_rule(&self, folder: Folder) -> String {
        if self.deleting {
            return Rule::AccountEnds.to_string();
        }
        format!("{folder} {} hours", self.folder_hours(folder))
    }
}

/// A campaign that is not deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Campaign {
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When its last launch ended.
    pub ended_at: Option<OffsetDateTime>,
    /// When the customer asked for its end.
    pub delete_asked_at: Option<OffsetDateTime>,
    /// Closed: it takes no more responses, imports or launches.
    pub closed: bool,
    /// An import holds a lease, or a launch is not over: it waits for its time, is paused, or has mails on their way.
    pub busy: bool,
}

/// What is to be done with a campaign now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet.
    Leave,
    /// Close it; its end is near.
    Close,
    /// Its end has come.
    Delete,
}

/// Which rule ends a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Hours after the last launch ended.
    AfterLaunch(i32),
    /// Hours after the creation, without a launch.
    AfterCreation(i32),
    /// The hard limit in hours after the creation.
    HardLimit(i32),
    /// The customer asked for it.
    Asked,
    /// The account is being deleted.
    AccountEnds,
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AfterLaunch(hours) => write!(f, "{hours} hours after the last launch"),
            Self::AfterCreation(hours) => write!(f, "{hours} hours after the creation"),
            Self::Asked => f.write_str("asked for by the customer"),
            Self::AccountEnds => f.write_str("deletion of the account"),
            Self::HardLimit(hours) => write!(f, "hard limit of {hours} hours after the creation"),
        }
    }
}

impl Campaign {
    /// The end, by the rule that comes first, and what it asks for now. Work under way holds up the end but not the hard limit.
    pub fn step(&self, settings: &Settings, now: OffsetDateTime) -> (Step, Rule) {
        if settings.deleting {
            return (Step::Delete, Rule::AccountEnds);
        }
        if self.delete_asked_at.is_some_and(|asked_at| asked_at <= now) {
            return (Step::Delete, Rule::Asked);
        }
        let hours = |hours: i32| Duration::hours(i64::from(hours));
        let hard = self.created_at + hours(settings.campaign_hours_max);
        let (start, rule) = match self.ended_at {
            Some(ended_at) => (ended_at, Rule::AfterLaunch(settings.campaign_hours)),
            None => (self.created_at, Rule::AfterCreation(settings.campaign_hours)),
        };
        let regular = start + hours(settings.campaign_hours);
        let held = self.busy && !self.closed;
        let (end, rule) = if held || hard <= regular {
            (hard, Rule::HardLimit(settings.campaign_hours_max))
        } else {
            (regular, rule)
        };
        let step = if now >= end {
            Step::Delete
        } else if now >= end - CLOSING && !self.closed {
            Step::Close
        } else {
            Step::Leave
        };
        (step, rule)
    }
}

/// Whether the daily listing is due; never done before: yes.
pub fn listing_is_due(listed_at: Option<OffsetDateTime>, now: OffsetDateTime) -> bool {
    listed_at.is_none_or(|listed_at| now >= listed_at + LISTING_INTERVAL)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const SETTINGS: Settings = Settings {
        retention: Retention {
            incoming_hours: 48,
            finished_hours: 24,
            invalids_hours: 168,
            exports_hours: 336,
        },
        campaign_hours: 672,
        campaign_hours_max: 2160,
        cancelled_hours: 0,
        deleting: false,
        audit_days: 400,
    };
    const START: OffsetDateTime = datetime!(2026-11-01 12:00 UTC);

    #[test]
    fn a_file_is_over_after_its_folders_hours_and_not_a_minute_before() {
        for (folder, days) in
            [(Folder::Incoming, 2), (Folder::Finished, 1), (Folder::Invalids, 7), (Folder::Exports, 14)]
        {
            let end = START + Duration::days(days);
            assert!(START > SETTINGS.folder_cutoff(folder, end - Duration::minutes(1)), "{folder}");
            assert!(START <= SETTINGS.folder_cutoff(folder, end), "{folder}");
            assert!(
                START <= Settings { deleting: true, ..SETTINGS }.folder_cutoff(folder, START),
                "{folder}"
            );
        }
    }

    #[test]
    fn a_campaign_ends_by_the_rule_that_comes_first() {
        let fresh =
            Campaign { created_at: START, ended_at: None, delete_asked_at: None, closed: false, busy: false };
        let launched = Campaign { ended_at: Some(START + Duration::days(3)), ..fresh };
        let long = Campaign { ended_at: Some(START + Duration::days(80)), ..fresh };
        let busy = |campaign| Campaign { busy: true, ..campaign };
        let closed = |campaign| Campaign { closed: true, ..campaign };
        let (four, six, seven) = (Duration::minutes(4), Duration::minutes(6), Duration::minutes(7));
        let days = Duration::days;
        let (regular, hard) = (Rule::AfterCreation(672), Rule::HardLimit(2160));
        let after_launch = Rule::AfterLaunch(672);
        for (campaign, after, expected) in [
            (fresh, days(28) - six, (Step::Leave, regular)),
            (fresh, days(28) - four, (Step::Close, regular)),
            (closed(fresh), days(28) - four, (Step::Leave, regular)),
            (closed(fresh), days(28), (Step::Delete, regular)),
            (fresh, days(28), (Step::Delete, regular)),
            (fresh, days(400), (Step::Delete, regular)),
            (launched, days(28), (Step::Leave, after_launch)),
            (launched, days(31) - four, (Step::Close, after_launch)),
            (launched, days(31), (Step::Delete, after_launch)),
            (busy(fresh), days(28) + seven, (Step::Leave, hard)),
            (busy(fresh), days(90) - four, (Step::Close, hard)),
            (busy(launched), days(90), (Step::Delete, hard)),
            // What still runs in a closed campaign holds nothing up.
            (closed(busy(fresh)), days(28), (Step::Delete, regular)),
            (long, days(90) - six, (Step::Leave, hard)),
            (long, days(90), (Step::Delete, hard)),
            (
                Campaign { delete_asked_at: Some(START), ..closed(busy(fresh)) },
                four,
                (Step::Delete, Rule::Asked),
            ),
        ] {
            assert_eq!(campaign.step(&SETTINGS, START + after), expected, "{campaign:?} after {after}");
        }
    }

    #[test]
    fn with_the_account_everything_ends_at_once() {
        let fresh =
            Campaign { created_at: START, ended_at: None, delete_asked_at: None, closed: false, busy: true };
        let deleting = Settings { deleting: true, ..SETTINGS };
        assert_eq!(fresh.step(&deleting, START), (Step::Delete, Rule::AccountEnds));
        assert_eq!(deleting.folder_rule(Folder::Exports), "deletion of the account");
        assert_eq!(SETTINGS.folder_rule(Folder::Exports), "Exports 336 hours");
    }

    #[test]
    fn the_listing_is_daily() {
        assert!(listing_is_due(None, START));
        assert!(!listing_is_due(Some(START), START + Duration::hours(23)));
        assert!(listing_is_due(Some(START), START + Duration::hours(24)));
    }
}
