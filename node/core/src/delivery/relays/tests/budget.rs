//! How many rows one input reads at most, however many wait.

use super::*;

/// A store of outbox rows that counts what is read of it.
struct Counting {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    read: std::cell::Cell<usize>,
}

impl Counting {
    fn take(&self) -> usize {
        self.read.replace(0)
    }
}

impl crate::world::Shelf for Counting {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, crate::world::ShelfError> {
        self.read.set(self.read.get() + 1);
        Ok(self.rows.get(key).filter(|_| table == Table::Outbox).cloned())
    }

    fn range(&self, table: Table, from: &[u8], limit: usize) -> Result<crate::world::Rows, crate::world::ShelfError> {
        if table != Table::Outbox {
            return Ok(Vec::new());
        }
        let rows: crate::world::Rows = self.rows.range(from.to_vec()..).take(limit).map(|(key, row)| (key.clone(), row.clone())).collect();
        self.read.set(self.read.get() + rows.len());
        Ok(rows)
    }

    fn range_back(&self, _: Table, _: &[u8], _: usize) -> Result<crate::world::Rows, crate::world::ShelfError> {
        Ok(Vec::new())
    }

    fn search(&self, _: &str, _: u64, _: usize) -> Result<Vec<u64>, crate::world::ShelfError> {
        Ok(Vec::new())
    }
}

/// A person whose device is off, with so many texts in its outbox.
fn with_outbox(rows: u64, copy: Option<Copy>) -> Counting {
    let row = |number: u64| {
        let mut frame = [1; 32];
        frame[..8].copy_from_slice(&number.to_be_bytes());
        let owner = if number.is_multiple_of(10) { EnvelopeOwner::Mark } else { EnvelopeOwner::Text(ROOM, 2 * number) };
        OutboxRow {
            frame: FrameId(frame),
            owner,
            via: None,
            envelope: vec![1; 16],
            sequence: Some(number),
            stored: copy.clone(),
            room: Some(ROOM),
            inner: None,
        }
    };
    let rows =
        (0..rows).map(|number| (outbox::outbox_key(&DEVICE, ROOM_LANE + number), symbolon_presence::codec::encode_row(&row(number))));
    Counting { rows: rows.collect(), read: std::cell::Cell::new(0) }
}

/// Its user, or a friendship that begins again, takes everything back in one turn: no stranger can
/// bring that about.
#[test]
fn n7_an_outbox_is_taken_back_by_one_look_at_each_of_its_rows() {
    const ROWS: u64 = 10_000;
    let (_, relay) = relay_mailbox(1);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut out = Out::default();
    let mut state = State::load(None, &Empty, NOW, &mut rng, &mut out).unwrap();
    let mut cipher = ClearCipher::new([1; 32]);
    {
        let mut turn = Turn { now: NOW, sure: NOW, stamp: NOW, rng: &mut rng, cipher: &mut cipher, shelf: &Empty, out: &mut out };
        with_text(&mut state, &mut turn, vec![relay]);
    }
    let device = state.device_mut(&DEVICE).unwrap();
    (device.channel.outbox_next, device.channel.outbox_count) = (ROOM_LANE + ROWS, ROWS);
    let peer = device.peer;
    let shelf = with_outbox(ROWS, None);
    let mut out = Out::default();
    let mut turn = Turn { now: NOW, sure: NOW, stamp: NOW, rng: &mut rng, cipher: &mut cipher, shelf: &shelf, out: &mut out };
    let texts = crate::friendships::withdraw_texts(&mut state, &mut turn, &peer).unwrap();
    assert_eq!(texts.len() as u64, ROWS / 10 * 9);
    assert_eq!(shelf.take() as u64, ROWS);
    // Each text is read and written among all the changes of this turn.
    for arrival in texts {
        let key = symbolon_presence::codec::encode_row(&arrival);
        assert_eq!(turn.get(Table::Message, &key).unwrap(), None);
        turn.put_raw(Table::Message, &key, vec![1]);
        assert_eq!(turn.get(Table::Message, &key).unwrap(), Some(vec![1]));
    }
    assert_eq!(out.changes.iter().count() as u64, ROWS + ROWS / 10 * 9);
    assert_eq!(state.devices.get(&DEVICE).unwrap().channel.outbox_count, 0);
}

#[test]
fn n7_no_input_walks_a_hundred_thousand_rows() {
    const ROWS: u64 = 100_000;
    let (_, relay) = relay_mailbox(1);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut out = Out::default();
    let mut state = State::load(None, &Empty, NOW, &mut rng, &mut out).unwrap();
    let mut cipher = ClearCipher::new([1; 32]);
    {
        let mut turn = Turn { now: NOW, sure: NOW, stamp: NOW, rng: &mut rng, cipher: &mut cipher, shelf: &Empty, out: &mut out };
        with_text(&mut state, &mut turn, vec![relay.clone()]);
    }
    let device = state.device_mut(&DEVICE).unwrap();
    (device.channel.outbox_next, device.channel.outbox_count) = (ROOM_LANE + ROWS, ROWS);
    let copy = Copy { mailbox: relay.entry.mailbox, at: NOW, until: NOW.after(30 * DAY) };
    let shelf = with_outbox(ROWS, Some(copy));
    let mut out = Out::default();
    let mut turn = Turn { now: NOW, sure: NOW, stamp: NOW, rng: &mut rng, cipher: &mut cipher, shelf: &shelf, out: &mut out };
    let (state, turn) = (&mut state, &mut turn);
    let (mut relays, mut delivery) = (Relays::default(), crate::delivery::Delivery::default());
    let most = ROWS_AT_ONCE + PAGE;

    relays.wait(state, turn, &DEVICE).unwrap();
    assert!(shelf.take() <= most);
    let mut inputs = 1;
    while relays.waiting().count() > 0 {
        turn.now = relays.next_due().expect("it continues");
        relays.tick(state, turn).unwrap();
        let read = shelf.take();
        assert!(read <= most, "{read} rows for one input");
        inputs += 1;
    }
    assert!((100..300).contains(&inputs), "all of them were looked at: {inputs}");

    relays.wait(state, turn, &DEVICE).unwrap();
    assert_eq!(shelf.take(), 0, "what lies at relays is not looked at again because something new may be there");

    relays.renew(state, turn).unwrap();
    let mut inputs = 1;
    while let Some(at) = relays.next_due() {
        assert!(shelf.take() <= most);
        turn.now = at;
        relays.tick(state, turn).unwrap();
        inputs += 1;
    }
    assert!((100..300).contains(&inputs), "{inputs}");

    // A list of what nobody has sent.
    shelf.take();
    let list = (0..256).map(|n| (DEVICE, ReceiptItem { frame: FrameId([n as u8; 32]), outcome: Outcome::Delivered }));
    let mut intake = crate::intake::Intake::default();
    intake.tell(list.collect());
    intake.complete_reported(state, &mut delivery, turn).unwrap();
    assert!((1..=4_096 + 256).contains(&shelf.take()));

    for arrival in [2, 99_998, 199_998] {
        let found = outbox::find(state, turn, &DEVICE, |owner| owner.order_of_texts(&ROOM, arrival)).unwrap();
        assert_eq!(found.map(|(number, _)| number), Some(ROOM_LANE + arrival / 2));
        let read = shelf.take();
        assert!(read <= 18 * 32, "{read}");
    }
    assert!(outbox::find(state, turn, &DEVICE, |owner| owner.order_of_texts(&ROOM, 77_777)).unwrap().is_none());
    shelf.take();

    outbox::supersede(state, turn, &DEVICE, &EnvelopeOwner::Accept(RequestId([1; 16]))).unwrap();
    assert!(!outbox::has_steps(turn, &DEVICE).unwrap() && !outbox::forget_lists(state, turn, &DEVICE).unwrap());
    assert!(shelf.take() <= 64);
}
