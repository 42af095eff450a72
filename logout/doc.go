// Package logout ends sessions and tells every relying party that took part, at least once, whatever dies in between.
//
// It is the engine of Exeunt and can serve any OpenID Provider: it needs a store (package logoutstore has one for SQLite and PostgreSQL),
// the provider's clients and its signer.
//
// # One way in
//
// Every logout, whatever its cause, is a Request given to Engine.End. In one transaction the sessions are marked as ended, and only then
// are their participations read, and the deliveries planned and written. The commit is the moment of logout: tokens bound to the session are
// dead by it. A second, concurrent End finds nothing left and does nothing. Ends that come at the same moment may share a transaction.
//
// What a client is told of one thing through several channels is one event: its deliveries share an EventID. Events that end no session, such as a changed password, are given to Engine.Announce. They are written and delivered as a logout is.
//
// # One way out
//
// Right after the commit the same node makes the first attempt of every delivery, all at once. That is only an early start of what a job
// would do: if the node has no room for it, the job is enqueued in the transaction; if it dies, any node finds the logout overdue and
// enqueues the job then (Engine.Rescue, which each node calls every few seconds). Deliver is that common path.
//
//	            ┌────────────── 2xx ──────────────▶ delivered
//	            │
//	pending ────┼── anything else ──▶ retrying ──┬─ 2xx ─▶ delivered
//	 insured by │                      own job   ├─ invalid_request twice ─▶ rejected
//	 the logout │                         ▲      ├─ time is up ─▶ dead
//	            │                         │      └─ anything else ─▶ retrying
//	            │                         ▼
//	            └── receiver is down, ─▶ retrying, parked ── its receiver's turn ─▶ as above
//	                or full               no job
//
//	unreachable: the client registered no channel.     superseded: a newer login made the message harmful.
//	unconfirmed: the front channel; the person's browser was given the client's page, and nobody reports what became of it.
//
//	unconfirmed ── acknowledged in a poll ──▶ delivered     the events of a stream of shared signals that is polled or paused: nobody
//	            ├─ refused in a poll ───────▶ rejected      attempts them, so they have no job; they lie ready (Engine.Poll) until the
//	            ├─ the stream is pushed ────▶ retrying      receiver says that it has them, or the stream changes (Engine.StreamChanged)
//	            └─ disabled or deleted ─────▶ unreachable
//
// A client may also come and ask: Engine.Pull returns what it was or should have been told, and Engine.Acknowledge makes all deliveries of an
// event delivered, whatever state they were in. Events get their place in what a client pulls when the client reads, under its lock, not when
// they are written: so whoever goes on from a cursor misses nothing that commits late, and a logout pays nothing for it.
//
// These invariants hold at every commit, and the conformance suite in logouttest checks them:
//
//   - a logout with a pending delivery has its insurance: a job, or the mark by which it is rescued;
//   - a retrying delivery has a job of its own, or is parked;
//   - a receiver for which something is parked has a turn, and a turn has its job.
//
// # One receiver, one breaker
//
// A receiver is one client's endpoint of one channel. Each has ten places in flight on a node and waits for no other's. Five failures in a
// row that mean "nobody is there" open its breaker, for all nodes. From then on nothing goes out to it but probes, one at a time over all
// nodes, later each time, for ever. What it is to be told is parked: a hundred thousand deliveries wait in their rows, with one job for all
// of them. The first answer closes the breaker, and the backlog follows, oldest first, at Config.BacklogRate. A delivery dies when its own
// time is up, and not before.
//
// # Failures
//
//   - The process dies: the logout is rescued, attempt timeout + 8 s after it happened.
//   - A receiver fails now and then: the delivery is retried with growing, jittered pauses for Config.RetryFor, then dead.
//   - A receiver is down: its breaker opens; it hears of everything within minutes after it is back.
//   - A receiver hangs, or takes seconds for each answer: it holds at most ten places; what does not fit is parked and follows as it can
//     take it.
//   - An attempt succeeded but its record did not: the delivery is made again. Receivers see a new token with the same delivery id.
//
// Nothing is logged and dropped: every attempt is a row.
package logout
