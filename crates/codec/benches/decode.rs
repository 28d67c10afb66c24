//! Decoding alone. The floor beside it is what a derived, borrowed serde reader of the same fields takes,
//! which checks nothing but types.

use divan::{Bencher, black_box};
use mainstay_codec::{Format, Limits};
use mainstay_testkit::load::read_unchecked;

fn main() {
    divan::main();
}

/// A product event of 300 bytes.
const PRODUCT: &str = r#"{"id":"evt_01HV7Q8Z4K2M9N3P5R6S7T8V9W","type":"product.event","account_id":"acc_000123","user_id":"usr_00004567","source":"web","time":"2026-03-01T09:30:00.123Z","data":{"name":"report_opened","duration_ms":1834,"session_id":"s_8f2c","actor":"human","properties":{"plan":"pro","page":"/reports/42"}}}"#;

#[divan::bench(sample_count = 200, sample_size = 1000)]
fn native(bencher: Bencher<'_, '_>) {
    let limits = Limits::default();
    bencher
        .counter(divan::counter::BytesCount::of_str(PRODUCT))
        .bench(|| {
            let mut digest = 0;
            Format::Native
                .decode(black_box(PRODUCT.as_bytes()), &limits, |event| {
                    digest = black_box(event).digest
                })
                .map(|_| digest)
        });
}

#[divan::bench(sample_count = 200, sample_size = 1000)]
fn floor_serde_borrowed(bencher: Bencher<'_, '_>) {
    bencher
        .counter(divan::counter::BytesCount::of_str(PRODUCT))
        .bench(|| read_unchecked(black_box(PRODUCT.as_bytes())));
}
