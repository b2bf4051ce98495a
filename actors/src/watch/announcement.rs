//! What an alarm leads to: an event and mails, written with the window that raised it.

use crate::notifier::mail_content::about_drift;
use crate::options::MailSources;
use crate::outbox::announcement_of;
use provost_domain::event::outbound::{DriftAnnouncement, Topic};
use provost_domain::watch_alarm::DriftAlarm;
use provost_domain::watch_record::WatchedWindow;
use provost_store::OutboxMessage;

/// Of a window with an alarm whose window before had none; an alarm that goes on is told once.
pub(super) async fn announcements(
    mail: &MailSources,
    window: &WatchedWindow,
    previous: Option<&WatchedWindow>,
) -> Vec<OutboxMessage> {
    let Some(alarm) = DriftAlarm::raised(window, previous) else { return Vec::new() };
    let announcement = DriftAnnouncement {
        model_id: alarm.model_id.clone(),
        reason: alarm.reason(),
        // Texts and numbers: it serialises.
        evidence: serde_json::to_value(&alarm).unwrap_or_default(),
    };
    let occasion = format!("{}:{}", Topic::DriftDetected, alarm.window_id);
    let event = announcement_of(occasion.clone(), Topic::DriftDetected, &announcement, window.closed_at);
    let mut all = about_drift(mail, &occasion, &alarm, window.closed_at).await;
    all.push(event);
    all
}
