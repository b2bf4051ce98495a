//! A feature CSV as `provost fit` reads it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use provost::fit::table::Table;
use provost_fuzz::told;

/// The table as a file. `None` where a name or a part cannot be written in a way that is read back the same.
fn written(table: &Table) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut head = table.names.clone();
    head.push("label".to_owned());
    head.extend(table.split.iter().map(|_| "split".to_owned()));
    head.extend(table.fold.iter().map(|_| "fold".to_owned()));
    writer.write_record(&head).expect("memory");
    for row in 0..table.labels.len() {
        let number = |v: f32| if v.is_nan() { String::new() } else { v.to_string() };
        let mut cells: Vec<String> = table.columns.iter().map(|c| number(c[row])).collect();
        cells.push(table.labels[row].to_string());
        cells.extend(table.split.iter().map(|s| s[row].clone()));
        cells.extend(table.fold.iter().map(|f| f[row].to_string()));
        writer.write_record(&cells).expect("memory");
    }
    writer.into_inner().expect("memory")
}

fuzz_target!(|data: &[u8]| {
    let table = match Table::parse(data) {
        Ok(table) => table,
        Err(why) => {
            told(&why);
            let places = ["line", "header", "row", "record", "UTF-8"];
            assert!(places.iter().any(|p| why.contains(p)), "no place in: {why}");
            return;
        }
    };
    let rows = table.labels.len();
    assert!(rows > 0 && !table.names.is_empty() && table.columns.iter().all(|c| c.len() == rows));
    let text = written(&table);
    let again = Table::parse(text.as_slice()).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&text)));
    // As text, since NaN is not itself.
    assert_eq!(format!("{again:?}"), format!("{table:?}"));
});
