//! Who comes in, who does not, and what each of them sees.

use super::*;

#[test]
fn whoever_a_member_knows_comes_in_by_a_knock_and_all_members_see_them() {
    let (mut sim, _) = scene(1);
    let card = card(&mut sim, ANA);
    assert!(card.len() <= 195, "{}", card.len());
    sim.run_for(MINUTE);
    let view = knock(&mut sim, DEA, &card);
    assert_eq!((view.kind, view.direction, view.status), (RequestKind::Knock, Direction::Out, RequestStatus::Unresolved));
    assert!(comes_to(&mut sim, DEA, RequestStatus::Confirmed, 3 * MINUTE), "{:?}", status(&mut sim, DEA));
    sim.run_for(MINUTE);
    assert_eq!(counts(&mut sim, &[ANA, BEN, CEM, DEA]), [4; 4]);
    say(&mut sim, DEA, "hello");
    say(&mut sim, CEM, "welcome");
    sim.run_for(MINUTE);
    for ix in [ANA, BEN, CEM, DEA] {
        let mut texts = texts(&mut sim, ix);
        texts.sort();
        assert_eq!(texts, ["hello", "welcome"], "of {ix}");
    }
    // Dea and Cem are no friends: she has said her name in the room.
    assert!(members(&mut sim, CEM).contains(&"Dea".to_owned()));
}
