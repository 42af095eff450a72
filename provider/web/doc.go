// Package web serves the pages that are no protocol endpoints: login, consent, home, "you are logged out", and the static files.
//
// The pages and the protocol endpoints meet only by URL: /authorize stores a request that waits for the person and sends the browser
// here with its id; when the person has done their part the browser goes back to /authorize/resume. The id alone opens nothing, it
// must come with the cookie of the browser that made the request.
package web
