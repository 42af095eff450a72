// Package realtime tells open pages at once that their session has ended.
//
// A page connects by WebSocket, by server-sent events or by an HTTP stream, in the JSON protocol of Centrifugo's clients, and then only
// listens. It shows a ticket, which an application's page gets for its ID token (POST /api/realtime/ticket), or, on our own pages, the
// session's cookie.
//
//	      ticket or cookie         {"type":"session","status":"live"}
//	page ─────────────────▶ node ─────────────────────────────────────▶ page stays
//	                          │    {"type":"session","status":"ended"}, code 4500
//	                          └───────────────────────────────────────▶ page leaves, and does not come back
//
// # Nothing is missed
//
// A page is entered in the node's register first, and only then its session is read. A logout that commits before is seen by that reading;
// one that commits later finds the page in the register. So a page that slept, or lost its connection, needs no history: it connects again
// and is told how things are.
//
// # Several nodes
//
// The node that ends a session tells its own pages after the commit, and then the other nodes, all logouts of a few milliseconds in one
// notification (database.Notify), outside of the logout's transaction: commits that notify wait for each other. That is the early start. The
// insurance is that every node looks every few seconds which of its pages' sessions have ended in the table; so a notification that is lost,
// and a command that ends sessions beside the node, cost seconds and nothing else.
//
// # What a page may know
//
// Only what concerns its own sid: no other application's name, no address. The connection lives with the session, not with the ID token; a page that
// came with an expired one hears that its session has ended, without the reason.
package realtime
