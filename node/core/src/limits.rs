//! Every bound and default of the core in one place.

mod groups;
mod presence;
mod recovery;
mod vouching;

pub use groups::*;
pub use presence::*;
pub use recovery::*;
pub use vouching::*;

use symbolon_presence::time::{DAY, HOUR, MINUTE, SECOND};

/// Longest name, in bytes of UTF-8.
pub const NAME_MAX: usize = 64;
/// Longest note with a request, in bytes of UTF-8.
pub const NOTE_MAX: usize = 512;
/// Longest topic of a room, in bytes of UTF-8.
pub const TOPIC_MAX: usize = 512;
/// Longest text of a message, in bytes of UTF-8.
pub const TEXT_MAX: usize = 16 * 1024;
/// Most messages that one read answers.
pub const READ_LIMIT: usize = 1_000;
/// A friend not heard of for so long is counted as silent.
pub const LONG_SILENCE: u64 = 7 * DAY;
/// Messages are put into the index of words once nothing has arrived for so long.
pub const INDEX_QUIET: u64 = SECOND;
/// Messages put into the index in one turn.
pub const INDEX_BATCH: u64 = 128;
/// Messages not in the index yet at which they are put there without waiting for quiet.
pub const INDEX_BACKLOG: u64 = 4_096;
/// Searches that wait until all texts are in the index.
pub const SEARCHES_WAITING: usize = 16;
/// Longest text to search for, in bytes of UTF-8.
pub const SEARCH_MAX: usize = 256;
/// Most addresses in an invite, Offer, Accept or bundle.
pub const ADDRESSES_MAX: usize = 8;
/// Most devices of one person that an invite or contact record names, the last active first.
pub const CONTACTS_MAX: usize = 4;
/// Most devices of one person that one frame names.
pub const DEVICES_MAX: usize = 8;
/// Devices of one person of which there is a row: those of one bundle, and as many that are on their way out.
pub const DEVICES_KEPT_MAX: usize = 2 * DEVICES_MAX;
/// New devices of one friend that bundles make known within a day.
pub const DEVICES_NEW_OF_FRIEND: u64 = 32;
/// Devices of one person: the first one and further ones.
pub const SIBLINGS_MAX: usize = DEVICES_MAX - 1;
/// Devices of one person of which own devices keep a row, those that are gone among them.
pub const SIBLINGS_KEPT_MAX: usize = 32;
/// Devices of one person that are refused while the person stays.
pub const BARRED_OF_PERSON: usize = 32;
/// People of whom own devices tell each other how they stand to them.
pub const PERSONS_MAX: usize = 2 * FRIENDS_MAX;
/// Friends' devices that are asked at once for a friendship with a new device of ours.
pub const DEVICE_ASKS_MAX: usize = 32;
/// How long such a question waits before it is put again.
pub const DEVICE_ASK_PAUSE: u64 = HOUR;
/// Persons whose read marks wait for a device of ours; of one more it is not said that they were read.
pub const MARKS_OWED_MAX: usize = 256;
/// Such marks said to a device in one turn.
pub const MARKS_OWED_SAID: usize = 16;
/// How long a restored device waits before it asks other devices of its person, which a backup names: its user has so long to say
/// which of them were stolen.
pub const RESTORED_PAUSE: u64 = HOUR;
/// Milliseconds in which [`DEVICE_ASKS_MAX`] questions may be put.
pub const DEVICE_ASKS_SPAN: u64 = 5 * MINUTE;
/// How long a pairing code is good.
pub const PAIRING_LIFETIME: u64 = 10 * MINUTE;
/// Most people of whom one frame between own devices speaks.
pub const PERSONS_SAID: usize = 64;
/// Most texts in one frame between own devices.
pub const TEXTS_SAID: usize = 64;
/// Most shared rooms of which one frame between own devices speaks.
pub const ROOMS_SAID: usize = 64;
/// Versions that what own devices say may pass over at once. Each change takes one: who says more means to have the last word for good.
pub const VERSIONS_AHEAD: u64 = 1 << 20;
/// Conversations in which something is being written; of one more nothing is kept.
pub const DRAFTS_MAX: usize = 64;
/// Most of them of which one frame between own devices speaks.
pub const DRAFTS_SAID: usize = 3;
/// How long after a change they are said: as they are then.
pub const DRAFT_PAUSE: u64 = 3 * SECOND;
/// Most settings of which one frame between own devices speaks: more than there are, so that later builds can say theirs.
pub const SETTINGS_SAID: usize = 16;
/// Most texts of shared rooms that one frame between own devices says to be read.
pub const MARKS_SAID: usize = 256;
/// Most devices of which a part of a backup says how they are written to.
pub const WAYS_SAID: usize = 12;
/// Bytes of texts behind which such a frame takes no more.
pub const TEXTS_SAID_BYTES: usize = 48 * 1024;
/// Most mailboxes at relays of one device.
pub const RELAY_MAILBOXES_MAX: usize = 3;
/// Friends who wait until their records are looked for; see [`SEEKS_MAX`].
pub const SEEKS_WAITING_MAX: usize = FRIENDS_MAX;
/// Relays spoken to at once.
pub const RELAY_SESSIONS_MAX: usize = 64;
/// How long a direct key is the present one. It opens as long again after that.
pub const DIRECT_LIFETIME: u64 = 30 * DAY;
/// How long after an update friends of an older build are met under the keys of before.
pub const BEFORE_LIFETIME: u64 = 90 * DAY;
/// Owners of leaves remembered that were verified; when full, all are forgotten.
pub const SPEAKERS_MAX: usize = 1_024;
/// Most friends of one node: so many have a block in the revocation tree, however many were passed by.
pub const FRIENDS_MAX: usize = 2_048;
/// Most request rows kept, all statuses together.
pub const REQUESTS_MAX: usize = 1_024;
/// Most requests of strangers that may be pending at once.
pub const PENDING_STRANGERS_MAX: usize = 64;
/// Requests of members of rooms who are no friends, that may be pending at once besides those of strangers.
pub const PENDING_IN_ROOMS_MAX: usize = 32;
/// Of these, those of one room.
pub const PENDING_IN_ROOM_MAX: usize = 8;
/// Of the rows of requests, how many of one person to us are kept that have ended.
pub const ENDED_OF_PERSON_MAX: usize = 4;
/// Longest Offer, in bytes: with the GroupInfo of its room and the addresses of four devices.
pub const OFFER_MAX: usize = 30 * 1024;
/// Longest GroupInfo in an Offer, in bytes: eight devices have place in it.
pub const GROUP_INFO_MAX: usize = 24 * 1024;
/// Longest first envelope that is opened, in bytes; see [`BUCKETS`](symbolon_presence::envelope::BUCKETS).
pub const FIRST_MAX: usize = 32 * 1024;
/// Questions of one member for commits that are answered in a minute. An answer gives up to 32 of them.
pub const SINCES_OF_MEMBER: u64 = 64;
/// First envelopes looked at in a minute that came under one invite.
pub const OFFERS_OF_GRANT: u64 = 64;
/// The same under packages that are published for all.
pub const OFFERS_OF_POSTED: u64 = 128;
/// The same under all invites and packages together.
pub const OFFERS_OF_STRANGERS: u64 = 256;
/// First envelopes looked at in a minute that came under one reply address.
pub const ANSWERS_OF_GRANT: u64 = 64;
/// The same of one friend to our direct key: Standings, and Offers that renew.
pub const DIRECTS_OF_FRIEND: u64 = 64;
/// First envelopes looked at in a minute that one relay of ours brings: more than wait there, however many
/// friends and strangers have left some.
pub const FIRSTS_OF_RELAY: u64 = 4_096;
/// Offers of one person taken in within an hour, new revisions among them.
pub const OFFERS_OF_PERSON: u64 = 32;
/// So long the Offer of a renewal waits for its Accept before an answer leads to another one.
pub const RENEWAL_ANSWER: u64 = 10 * MINUTE;
/// Offers of one friend accepted within a day without asking the user.
pub const RENEWALS_OF_FRIEND: u64 = 8;
/// How often within a day one friend is believed that another copy of this folder runs, or that friends hold a later secret.
pub const WORDS_OF_FRIEND: u64 = 1;
/// Rooms of one friendship that are made again within a day because of what the friend says.
pub const ROOMS_OF_FRIEND: u64 = 16;
/// A reply grant, and the key that opens what comes by it, end so long after their request.
pub const GRANT_GRACE: u64 = DAY;
/// Addresses of one device remembered that a newer revision has replaced: those of two revisions.
pub const OVERTAKEN_MAX: usize = 2 * (RELAY_MAILBOXES_MAX + 1);
/// Envelopes taken in under one reply grant.
pub const ANSWERS_MAX: usize = 64;
/// Envelopes remembered that were taken in under one invite.
pub const INVITE_ANSWERS_MAX: usize = 8;
/// Grants given with Standings that are good at once; who has most loses the oldest.
pub const REPLY_GRANTS_MAX: usize = FRIENDS_MAX;
/// How long a lifeline is good; at half of that a friend gets the next one.
pub const LIFELINE_LIFE: u64 = 400 * DAY;
/// Lifelines of ours that one friend holds: the present one, and the one before until it ends.
pub const LIFELINES_OF_FRIEND: usize = 2;
/// Friends who hold lifelines.
pub const LIFELINES_MAX: usize = FRIENDS_MAX;
/// Lifelines said in one input.
pub const LIFELINES_AT_ONCE: usize = 16;
/// How long a friend may answer what was said by a lifeline: both may be there on different days.
pub const LASTING_REPLY: u64 = 30 * DAY;
/// So many such answers of one friend may be open.
pub const LASTING_REPLIES_OF_FRIEND: usize = 4;
/// Pause between two looks whether a lifeline is needed. What waits for so long is on no way that works.
pub const LIFELINE_LOOK: u64 = 10 * MINUTE;
/// Pause between two uses of a lifeline; it doubles up to [`LIFELINE_PAUSE_MAX`].
pub const LIFELINE_PAUSE: u64 = DAY;
/// See [`LIFELINE_PAUSE`].
pub const LIFELINE_PAUSE_MAX: u64 = 16 * DAY;
/// A friend of whom nothing was heard for so long, and no record read for [`LIFELINE_UNREAD`], is asked how both stand.
pub const LIFELINE_UNHEARD: u64 = DAY;
/// See [`LIFELINE_UNHEARD`].
pub const LIFELINE_UNREAD: u64 = 2 * DAY;
/// Where a relay took that, the answer may take so long before the lifeline is used.
pub const LIFELINE_PATIENCE: u64 = 14 * DAY;
/// So long after a lifeline was used, what is heard of the device may lead to a new room.
pub const APART_LIFE: u64 = 60 * DAY;
/// Ended grants that our relays hear of; then their queue secret is drawn again.
pub const REVOKED_MAX: usize = 768;
/// Most introductions remembered, expired ones among them: they say who introduced a friend.
pub const INTRODUCTIONS_MAX: usize = 1_024;
/// Of these, open ones of one introducer.
pub const INTRODUCTIONS_OF_FRIEND_MAX: usize = 32;
/// Most invites that are good at once.
pub const INVITES_MAX: usize = 256;
/// Most blocked identities and keys.
pub const BLOCKED_MAX: usize = 4_096;
/// Default and longest lifetime of an invite.
pub const INVITE_LIFETIME: u64 = 7 * DAY;
/// See [`INVITE_LIFETIME`].
pub const INVITE_LIFETIME_MAX: u64 = 90 * DAY;
/// A request not answered for so long expires.
pub const REQUEST_LIFETIME: u64 = 30 * DAY;
/// Lifetime of a leaf in a room.
pub const LEAF_LIFETIME: u64 = 2 * 365 * DAY;
/// Lifetime of a device certificate made at first run.
pub const DEVICE_LIFETIME: u64 = 365 * DAY;
/// How long a package of ours may be used. At half of that it is replaced.
pub const PACKAGE_LIFE: u64 = 60 * DAY;
/// How long after it was replaced somebody may still be added by one: a Welcome may be on its way.
pub const PACKAGE_GRACE: u64 = 30 * DAY;
/// How long members of rooms may write by the grant of a package; it continues as long as the seat is taken.
pub const PACKAGE_GRANT_LIFE: u64 = 400 * DAY;
/// After somebody went, members who stay may write by the grant of before until they have the new one, and at most so long.
pub const GRANT_OVERLAP: u64 = 30 * DAY;
/// What came to a relay by a grant that has ended since is taken for so long.
pub const FORMER_GRANT_LIFE: u64 = 31 * DAY;
/// Grants of before that one seat remembers; the oldest gives way.
pub const FORMER_GRANTS_MAX: usize = 8;
/// After somebody went, a member draws another grant within so long, and so long for each leaf: one for several who go.
pub const REGRANT_PAUSE: u64 = 10 * SECOND;
/// See [`REGRANT_PAUSE`].
pub const REGRANT_PAUSE_OF_LEAF: u64 = 2 * SECOND;
/// Packages left at a relay of ours beside the one of last resort: eight for friends, and one by which we see that they are
/// there.
pub const PACKAGES_STOCKED: u32 = 9;
/// So long after packages were left at a relay, they are replaced when most of them are gone.
pub const PACKAGE_REFILL_PAUSE: u64 = HOUR;
/// How often it is looked how many packages a relay has left.
pub const PACKAGE_LOOK_PAUSE: u64 = DAY;
/// How long a relay, or a friend's node, may take to hand out a package.
pub const PACKAGE_DEADLINE: u64 = 20 * SECOND;
/// Packages of ours kept that nobody has used.
pub const PACKAGES_KEPT_MAX: usize = 1_024;
/// Of these, those that this node itself has handed to one friend.
pub const PACKAGES_UNUSED_OF_FRIEND: usize = 16;
/// Packages that this node hands to one friend within a day.
pub const PACKAGES_OF_FRIEND: u64 = 32;
/// Packages of friends asked for at once.
pub const FETCHES_MAX: usize = 64;
/// Devices remembered of which none was got; the oldest is forgotten.
pub const FETCHES_FAILED_MAX: usize = 1_024;
/// Pause before it makes sense to ask again when that led nowhere; it doubles up to [`FETCH_PAUSE_MAX`].
pub const FETCH_PAUSE: u64 = MINUTE;
/// See [`FETCH_PAUSE`].
pub const FETCH_PAUSE_MAX: u64 = HOUR;
/// How long the user is warned that somebody takes our packages and uses none.
pub const DRAIN_TOLD: u64 = 7 * DAY;
/// The longest time that a friend's package may be good for.
pub const PACKAGE_LIFE_MAX: u64 = 90 * DAY;
/// How long friends may take to learn where this node will be, before its transport key changes.
pub const REKEY_PATIENCE: u64 = 30 * SECOND;
/// First wait before a failed link is tried again.
pub const BACKOFF_MIN: u64 = SECOND;
/// Longest wait before a failed link is tried again.
pub const BACKOFF_MAX: u64 = 15 * MINUTE;
/// How often somebody is tried while nobody is reached.
pub const PROBE_PAUSE: u64 = 3 * SECOND;
/// After this time without anybody, tries are less frequent.
pub const PROBE_LONG: u64 = HOUR;
/// See [`PROBE_LONG`].
pub const PROBE_PAUSE_LONG: u64 = 15 * SECOND;
/// How many friends are tried in turn: those heard last.
pub const PROBE_FRIENDS_MAX: usize = 16;
/// When the network is back, those for whom nothing waits are called within this time, not all at
/// once.
pub const ROUSE_SPREAD: u64 = 30 * SECOND;
/// Envelopes on the way on one link without a receipt.
pub const WINDOW: usize = 256;
/// Texts for one device whose outbox rows are in memory alone.
pub const YOUNG_MAX: usize = 64;
/// Bytes on the way on one link without a receipt.
pub const WINDOW_BYTES: usize = 4 * 1024 * 1024;
/// What its recipient cannot open yet is put again on the same link after [`RECEIPT_TIMEOUT`], doubling up to this.
pub const PUT_OFF_MAX: u64 = HOUR;
/// An unacknowledged envelope is put again on the same link after so long.
pub const RECEIPT_TIMEOUT: u64 = 30 * SECOND;
/// The same, once the device has shown itself on another link: it may have started again and
/// never answer on the old one.
pub const RIVAL_TIMEOUT: u64 = 2 * SECOND;
/// For so long a friend's device may take to prove that it is behind a link.
pub const PROVE_TIMEOUT: u64 = 10 * SECOND;
/// MACs computed for proofs of links within a minute, one for each friend's device and proof:
/// half a second's work.
pub const PROOFS_MAX: usize = 250_000;
/// How long it is remembered that a friend's build speaks another version than ours.
pub const BUILD_REMEMBERED: u64 = DAY;
/// Envelopes carried for friends, and receipts on their way back.
pub const CARRIED_MAX: usize = 4_096;
/// Their bytes.
pub const CARRIED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The same of what is given between members of one room.
pub const CARRIED_OF_ROOM_MAX: usize = 2_048;
/// Their bytes.
pub const CARRIED_OF_ROOM_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// The same of one friend, all devices together.
pub const CARRIED_OF_FRIEND_MAX: usize = 512;
/// Their bytes.
pub const CARRIED_OF_FRIEND_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// So long they are carried.
pub const CARRIED_LIFE: u64 = 7 * DAY;
/// Most envelopes waiting for one device.
pub const OUTBOX_MAX: u64 = 100_000;
/// Seeds of envelopes kept for each device: the newest, and four older ones.
pub const SEEDS_KEPT_MAX: usize = 5;
/// More of them for a device that is in as many rooms with us: each room may have a seed of its own.
pub const SEEDS_OF_ROOMS_MAX: usize = 16;
/// So long a seed is kept after its device has used a newer one.
pub const SEED_LIFE: u64 = 30 * DAY;
/// Envelopes kept that came by way of a relay before anything opens them; who has brought most gives way.
pub const UNOPENED_MAX: usize = 1_024;
/// Their bytes: as many as four of the longest messages have.
pub const UNOPENED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long they are kept.
pub const UNOPENED_LIFE: u64 = DAY;
/// Pieces of the longest MLS message.
pub const PIECES_MAX: u8 = 16;
/// Bytes of messages of one room that wait for their last pieces.
pub const PIECES_OF_ROOM_BYTES: usize = 8 * 1024 * 1024;
/// The same of all rooms.
pub const PIECES_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A message of which no piece has come for so long gives way when there is no room for another one.
pub const PIECES_PATIENCE: u64 = DAY;
/// Early envelopes kept for each device.
pub const PARKED_MAX: u64 = 256;
/// Bytes of early envelopes kept of all devices together; who has most gives way.
pub const EARLY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Envelopes of one friend taken in within a minute on links.
pub const DEPOSITS_OF_FRIEND: u64 = 30_000;
/// Their bytes.
pub const DEPOSIT_BYTES_OF_FRIEND: u64 = 128 * 1024 * 1024;
/// Links open at once, in and out. Strangers get no more of them than the transport lets in;
/// the rest is for friends.
pub const LINKS_MAX: usize = 2_048;
/// Links of one device whose places are kept; a device needs one, and two while it moves.
pub const KEPT_LINKS_MAX: usize = 4;
/// Standings sent to one device in an hour, beside the questions because a start of it came back.
pub const STANDINGS_PER_HOUR: usize = 16;
/// Of these, questions of our own: the rest is kept for answers.
pub const STANDING_QUESTIONS_PER_HOUR: usize = 6;
/// Questions to one device in a minute because a start of it came back: both of two copies hear of it, and a third one.
pub const STANDINGS_BACK_PER_MINUTE: usize = 4;
/// Questions of Standings to one device that may still be answered.
pub const STANDINGS_ASKED_MAX: usize = 8;
/// A text that waited for so long, although its receiver was heard, is a reason to compare.
pub const STANDING_WAIT: u64 = DAY;
/// Instances remembered of one device of a friend.
pub const INSTANCES_HEARD_MAX: usize = 4;
/// Own instances remembered: one for each start.
pub const INSTANCES_OWN_MAX: usize = 64;
/// Rooms of a friendship that were left and are still read, and for how long.
pub const FORMER_MAX: usize = 16;
/// See [`FORMER_MAX`].
pub const FORMER_LIFE: u64 = 30 * DAY;
/// How often a day a friend's device gets a new room without asking the user.
pub const REENTRIES_PER_DAY: usize = 8;
/// How far back texts that an older copy lacks are sent again, and how often that happens
/// automatically.
pub const RESEND_LIFE: u64 = 30 * DAY;
/// Rows of history looked at for texts that an older copy lacks.
pub const RESEND_ROWS_MAX: usize = 65_536;
/// Own texts that a renewal names, so that the other side can tell which ones are not known here.
pub const RENEWAL_NAMES_MAX: usize = 16;
/// Held texts sealed in one turn.
pub const RELEASE_MAX: usize = 256;
/// How long two copies of one folder wait for their user's word before the one started last continues.
pub const COPY_QUESTION: u64 = MINUTE;
/// How long the other copy may still be heard after that.
pub const COPY_PEACE: u64 = 30 * SECOND;
/// How long the id of an envelope taken in is remembered: longer than any envelope lives.
pub const SEEN_LIFETIME: u64 = 40 * DAY;
/// How long after an own commit in a room of two the next one is made, on average; it is drawn between a half and one
/// and a half of it.
pub const COMMIT_PACE: u64 = 7 * DAY;
/// So long a shared room must be quiet after a start before an own update is made there.
pub const UPDATE_PATIENCE: u64 = 10 * MINUTE;
/// The same after less than a day away: who is on for a few minutes each day renews their keys, too.
pub const UPDATE_PATIENCE_SHORT: u64 = MINUTE;
/// So long after a start others who commit again and again put off an own update at most.
pub const UPDATE_PATIENCE_WHILE_MOVING: u64 = HOUR;
/// The same while what comes is of an epoch to which the room has not come here.
pub const UPDATE_PATIENCE_WHILE_BEHIND: u64 = DAY;
/// So long a shared room must be quiet before a wish is committed there, after a start that follows a day or more away.
pub const WISH_PATIENCE: u64 = 10 * SECOND;
/// So long after such a start others who commit again and again put it off at most.
pub const WISH_PATIENCE_WHILE_MOVING: u64 = MINUTE;
/// The same while what comes is of an epoch to which the room has not come here.
pub const WISH_PATIENCE_WHILE_BEHIND: u64 = 10 * MINUTE;
/// So long a shared room that has gone back must be quiet before a wish is committed there: more of the other branch may come.
pub const WISH_PATIENCE_BACK: u64 = 5 * SECOND;
/// So long others put it off at most then.
pub const WISH_PATIENCE_BACK_MOVING: u64 = 30 * SECOND;
/// Or after so many ordered frames of ours, drawn likewise.
pub const COMMIT_FRAMES: u64 = 100;
/// Pause between two sweeps of expired rows.
pub const SWEEP_INTERVAL: u64 = HOUR;
/// Pause between two pages of one sweep: it keeps up with a thousand envelopes a minute.
pub const SWEEP_PAUSE: u64 = MINUTE;

/// The longest invite link, in characters: a QR code of version 6 at level L holds so many in capitals.
pub const LINK_MAX: usize = 195;
/// The longest link that is looked at, in characters: one of an older build is distinguished from a damaged one.
pub const OLD_LINK_MAX: usize = 8 * 1024;
/// The longest contact record, in bytes.
pub const CONTACT_RECORD_MAX: usize = 8 * 1024;
/// Of the open invites, so many have their bodies left with our relays for the days to come: the newest.
pub const INVITES_AHEAD_MAX: usize = symbolon_relay::limits::AWAY_MAX - 3;
/// How long a body that was found may be overtaken by a newer one before it is believed.
pub const BODY_PAUSE: u64 = SECOND / 5;
/// How long one who was asked for the body of an invite may take.
pub const BODY_DEADLINE: u64 = 10 * SECOND;
/// Frames taken from one who was asked for the body of an invite.
pub const BODY_FRAMES_MAX: usize = 16;
/// So long after the body of an invite was made, it is looked whether servers have it; the pause doubles up to
/// [`READ_BODIES_MAX`] while none has.
pub const READ_BODY: u64 = 300;
/// See [`READ_BODY`].
pub const READ_BODIES_MAX: u64 = 10 * MINUTE;
/// The bodies of open invites are looked for again after so long.
pub const READ_BODIES_AGAIN: u64 = DAY;
