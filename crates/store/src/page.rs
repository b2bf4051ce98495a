//! Pages of lists.

use crate::error::Result;

/// One page, newest first; `next` continues after its last element.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The elements, newest first.
    pub items: Vec<T>,
    /// The cursor of the next page; None on the last one.
    pub next: Option<String>,
}

/// The newest `most` elements of a list, read page by page.
pub(crate) async fn newest<T, F>(most: u32, mut page: impl FnMut(Option<String>, u32) -> F + Send) -> Result<Vec<T>>
where
    T: Send,
    F: Future<Output = Result<Page<T>>> + Send,
{
    let (mut items, mut cursor) = (Vec::new(), None);
    while let Some(left) = most.checked_sub(items.len() as u32).filter(|left| *left > 0) {
        let found = page(cursor, left).await?;
        items.extend(found.items);
        cursor = found.next;
        if cursor.is_none() {
            break;
        }
    }
    Ok(items)
}
