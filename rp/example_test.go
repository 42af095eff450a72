package rp_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/exeunt-id/exeunt/rp"
)

// The whole of it: a verifier, what to do with a valid token, and a route.
func ExampleNewBackchannelLogout() {
	verifier, err := rp.NewLogoutTokenVerifier(rp.VerifierConfig{Issuer: "https://id.example.com", ClientID: "shop"})
	if err != nil {
		log.Fatal(err)
	}
	logout, err := rp.NewBackchannelLogout(rp.BackchannelConfig{
		Verifier: verifier,
		End: func(_ context.Context, token *rp.LogoutToken) error {
			fmt.Println("ending session", token.SID, "of", token.Subject)
			return nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/backchannel-logout", logout)

	answer := httptest.NewRecorder() // what a provider gets that sends nothing
	http.DefaultServeMux.ServeHTTP(answer, httptest.NewRequest("POST", "/backchannel-logout", http.NoBody))
	fmt.Print(answer.Code, " ", answer.Body)
	// Output: 400 {"error":"invalid_request","error_description":"request: Content-Type is not application/x-www-form-urlencoded"}
}
