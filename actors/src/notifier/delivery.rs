//! Delivers the mails that wait in the outbox to the mail server, round after round.

use super::rendered_mail::RenderedMail;
use super::session::{SendError, Session};
use crate::failures::Kind;
use crate::lease::Role;
use crate::options::{MailOptions, NotifierResources};
use crate::outbox::MAIL;
use crate::retry::Backoff;
use chrono::{DateTime, TimeDelta, Utc};
use provost_store::{OutboxMessage, StoreError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The component's name in reports of failures.
const COMPONENT: &str = "notifier";
const OUTBOX: &str = "reading the outbox";
const SERVER: &str = "reaching the mail server";
/// Interval between looks into an empty outbox.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// Mails taken up in one round.
const BATCH: u32 = 50;
/// Mails that may wait; of more the oldest are given up.
const MOST_WAITING: u64 = 10_000;

/// The state of the Notifier, for `Status`.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub failing: bool,
    pub pending: u64,
    /// Since the actor was built; so is `dropped`.
    pub sent: u64,
    pub dropped: u64,
    pub last_error: Option<String>,
    pub next_try: Option<DateTime<Utc>>,
}

/// A mail that was not accepted for now.
struct Deferred {
    backoff: Backoff,
    /// On the clock's monotonic reading.
    until: Duration,
}

pub struct Delivery {
    resources: Arc<NotifierResources>,
    mail: MailOptions,
    report: Arc<Mutex<Report>>,
    /// One process delivers at a time: two would send every mail twice.
    role: Role,
    /// By the message's id: one that waits holds up no other.
    deferred: BTreeMap<String, Deferred>,
    /// Accepted by the server, and still to be marked as sent.
    accepted: Vec<String>,
    /// Attempts to reach the server.
    server: Backoff,
    /// The last attempt to read or mark messages failed.
    store_away: bool,
}

impl Delivery {
    pub fn new(resources: Arc<NotifierResources>, mail: MailOptions, report: Arc<Mutex<Report>>) -> Self {
        let role = Role::new(resources.leases.clone(), "mail");
        Self {
            resources,
            mail,
            report,
            role,
            deferred: BTreeMap::new(),
            accepted: Vec::new(),
            server: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            store_away: false,
        }
    }

    pub async fn run(mut self) {
        loop {
            let wait = match self.round().await {
                Ok(wait) => {
                    self.store_away = false;
                    self.resources.failures.succeeded(COMPONENT, OUTBOX);
                    wait
                }
                Err(error) => {
                    self.note(|r| r.last_error = Some(error.to_string()));
                    self.store_away = true;
                    let (kind, pauses) = (Kind::of(&error), (FIRST_WAIT, LONGEST_WAIT));
                    self.resources.failures.wait(COMPONENT, OUTBOX, kind, &error.to_string(), pauses)
                }
            };
            let failing = self.server.is_failing() || self.store_away || !self.deferred.is_empty();
            let next_try = failing.then(|| self.resources.clock.now() + TimeDelta::from_std(wait).unwrap_or_default());
            self.note(|r| (r.failing, r.next_try) = (failing, next_try));
            self.resources.clock.sleep(wait).await;
        }
    }

    /// Sends what is due; answers how long to wait before the next round.
    async fn round(&mut self) -> Result<Duration, StoreError> {
        self.mark().await?;
        if !self.role.is_mine().await? {
            self.nothing_due();
            return Ok(LOOK_EVERY);
        }
        let mut pending = self.resources.outbox.outbox_count(MAIL).await?;
        if pending > MOST_WAITING {
            let dropped = self.resources.outbox.outbox_trim(MAIL, MOST_WAITING).await?;
            tracing::warn!(dropped, "too many mails wait: the oldest are given up");
            self.note(|r| r.dropped += dropped);
            self.resources.metrics.mails(0, dropped);
            pending = MOST_WAITING;
        }
        self.note(|r| r.pending = pending);
        let deferred = u32::try_from(self.deferred.len()).unwrap_or(u32::MAX);
        let limit = BATCH.saturating_add(deferred);
        let waiting = self.resources.outbox.outbox_pending(MAIL, limit).await?;
        let more = waiting.len() as u64 == u64::from(limit);
        self.deferred.retain(|id, _| waiting.iter().any(|m| m.id == *id));
        let now = self.resources.clock.monotonic();
        let due: Vec<OutboxMessage> =
            waiting.into_iter().filter(|m| self.deferred.get(&m.id).is_none_or(|d| d.until <= now)).collect();
        if due.is_empty() {
            self.nothing_due();
        }
        self.deliver(due).await?;
        if self.server.is_failing() {
            return Ok(self.server.wait());
        }
        let next = self.deferred.values().map(|d| d.until.saturating_sub(now)).min();
        // What is due again at once was deferred in this round at a time-out; a moment is waited all the same.
        let next = next.map_or(LOOK_EVERY, |next| next.clamp(FIRST_WAIT, LOOK_EVERY));
        Ok(if more { Duration::ZERO } else { next })
    }

    async fn deliver(&mut self, due: Vec<OutboxMessage>) -> Result<(), StoreError> {
        // A copy, since the session holds on to it while the rest of the delivery changes.
        let mail = self.mail.clone();
        let mut session: Option<Session<'_>> = None;
        for (at, message) in due.iter().enumerate() {
            // A round may take longer than others wait.
            if !self.role.is_mine().await? {
                break;
            }
            let rendered = match RenderedMail::new(&mail.from, message) {
                Ok(rendered) => rendered,
                Err(e) => {
                    self.give_up(message, &e.to_string()).await?;
                    continue;
                }
            };
            if session.is_none() {
                match Session::open(&mail).await {
                    Ok(opened) => {
                        if self.server.is_failing() {
                            tracing::info!(server = %mail.url, "the mail server is back");
                        }
                        self.server.succeeded();
                        self.resources.failures.succeeded(COMPONENT, SERVER);
                        session = Some(opened);
                    }
                    Err(error) => {
                        self.server.failed();
                        let text = format!("no mail can be sent; it waits: {error}");
                        self.resources.failures.failed(COMPONENT, SERVER, Kind::Outage, &text);
                        self.note(|r| r.last_error = Some(error.to_string()));
                        for message in &due[at..] {
                            if self.is_too_old(message) {
                                self.give_up(message, &error.to_string()).await?;
                            }
                        }
                        return Ok(());
                    }
                }
            }
            let Some(open) = session.as_mut() else { return Ok(()) };
            match open.send(&rendered).await {
                Ok(()) => {
                    self.resources.failpoints.hit("mail_accepted");
                    self.deferred.remove(&message.id);
                    tracing::info!(mail = %message.id, topic = %message.topic, "mail sent");
                    self.accepted.push(message.id.clone());
                    self.mark().await?;
                }
                Err(e @ SendError::Refused(_)) => self.give_up(message, &e.to_string()).await?,
                Err(e @ SendError::Later(_)) => self.defer(message, &e).await?,
                Err(e @ SendError::Broken(_)) => {
                    session = None;
                    self.defer(message, &e).await?;
                }
            }
        }
        if let Some(session) = session {
            session.close().await;
        }
        Ok(())
    }

    /// What the server was needed for was sent elsewhere or given up: it is asked again with the next mail.
    fn nothing_due(&mut self) {
        self.server.succeeded();
        self.resources.failures.succeeded(COMPONENT, SERVER);
    }

    /// Marks what the server has accepted. Until that is done nothing else is sent, so that nothing is sent twice by this
    /// process.
    async fn mark(&mut self) -> Result<(), StoreError> {
        if !self.accepted.is_empty() {
            self.resources.outbox.outbox_sent(self.accepted.clone()).await?;
            let marked = self.accepted.len() as u64;
            self.accepted.clear();
            // Counted when it is marked: what is told as sent waits nowhere any more.
            self.resources.metrics.mails(marked, 0);
            self.note(|r| {
                r.sent += marked;
                r.pending = r.pending.saturating_sub(marked);
            });
        }
        Ok(())
    }

    async fn defer(&mut self, message: &OutboxMessage, why: &SendError) -> Result<(), StoreError> {
        if self.is_too_old(message) {
            return self.give_up(message, &why.to_string()).await;
        }
        let known = self.deferred.get(&message.id).map(|d| d.backoff);
        let mut backoff = known.unwrap_or(Backoff::new(FIRST_WAIT, LONGEST_WAIT));
        let wait = backoff.failed();
        tracing::warn!(mail = %message.id, error = %why, wait_s = wait.as_secs(), "the mail was not accepted yet");
        let until = self.resources.clock.monotonic() + wait;
        self.deferred.insert(message.id.clone(), Deferred { backoff, until });
        self.note(|r| r.last_error = Some(why.to_string()));
        Ok(())
    }

    async fn give_up(&mut self, message: &OutboxMessage, why: &str) -> Result<(), StoreError> {
        self.resources.outbox.outbox_sent(vec![message.id.clone()]).await?;
        self.deferred.remove(&message.id);
        tracing::warn!(mail = %message.id, topic = %message.topic, to = %message.payload["to"], error = why, "mail given up");
        self.resources.metrics.mails(0, 1);
        self.note(|r| {
            r.dropped += 1;
            r.pending = r.pending.saturating_sub(1);
            r.last_error = Some(why.to_owned());
        });
        Ok(())
    }

    /// Each mail is tried at least once: this is only asked of one that has just failed.
    fn is_too_old(&self, message: &OutboxMessage) -> bool {
        let age = self.resources.clock.now() - message.at;
        age.to_std().is_ok_and(|age| age >= self.mail.give_up_after)
    }

    fn note(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
