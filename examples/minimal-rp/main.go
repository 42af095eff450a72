// Command minimal-rp is the smallest application that logs its people in, and
// out again whenever the provider says so.
package main

import (
	"fmt"
	"html"
	"log"
	"net/http"
	"os"

	"github.com/exeunt-id/exeunt/rp"
)

func main() {
	kit, err := rp.New(rp.Config{
		Issuer:       os.Getenv("ISSUER"), // any OpenID Provider
		ClientID:     os.Getenv("CLIENT_ID"),
		ClientSecret: os.Getenv("CLIENT_SECRET"),
		BaseURL:      os.Getenv("BASE_URL"), // where browsers reach this application
		AfterLogout:  "/bye",
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/auth/", kit) // login, callback, logout, back channel, front channel, open tabs
	http.Handle("/", kit.Middleware(http.HandlerFunc(hello)))
	http.HandleFunc("/bye", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "You are signed out.") })
	log.Fatal(http.ListenAndServe(os.Getenv("LISTEN"), nil))
}

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, `<!doctype html><title>Hello</title><script src="/auth/live.js" data-to="/bye"></script>
<h1>Hello %s</h1><form method="post" action="/auth/logout"><button>Sign out</button></form>`, html.EscapeString(rp.UserFrom(r.Context()).Subject))
}
