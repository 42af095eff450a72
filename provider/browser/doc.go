// Package browser is what every page of the provider stands on: cookies, protection against forged forms, rendering, and errors as
// values that a page can show. It knows nothing of sessions, clients or the database, so that every handler may import it.
//
// Three cookies, all HttpOnly, SameSite=Lax and host-only:
//
//   - session: the secret of the person's session, 256 random bits, new at every login; the server keeps its SHA-256 only
//   - browser: binds a waiting authorization request and every form to the browser that asked; carries no authority by itself
//   - receipt: a signed pointer at one logout, for fifteen minutes, so that the page after it can show who has been told
package browser
