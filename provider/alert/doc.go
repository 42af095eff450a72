// Package alert writes to the people behind a client when it cannot be told of logouts, and when it can be again. One incident of a client
// is a ladder, with at most one mail to each recipient on each rung:
//
//	over ──▶ first ──── an hour later, still failing ──▶ hour
//	 ▲  ╲      │                                          │
//	 │   ╲     ├──────── messages were given up ──────────┼──▶ lost
//	 │    ╲────┼───── given up or rejected at once ───────┼────▶ │
//	 │         │                                          │      │
//	 └─────────┴───── it has acknowledged again ──────────┴──────┘
//
// Nothing of it lives in memory. Everything is decided from what the deliveries say, by whichever node's turn it is to look, and the move to
// another rung and its mails are one transaction: of several nodes one makes it, and none is lost with a node. Mails wait in a table until
// the mail server takes them; deliveries know nothing of all this.
package alert
