// Command native is a command-line application, as a desktop or mobile one would be made: it signs its person in by the system's browser
// (RFC 8252), notices when they are signed out elsewhere, and signs out without a browser. It has no secret and no server.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	a := &app{issuer: os.Getenv("ISSUER"), clientID: os.Getenv("CLIENT_ID"), every: 30 * time.Second}
	if err := a.run(ctx, os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// app is the application. What it keeps of the person is tokens; a real one keeps them where the system keeps secrets.
type app struct {
	issuer, clientID string
	every            time.Duration // how often it asks whether the person is still signed in

	provider *oidc.Provider
	oauth    oauth2.Config
	tokens   *oauth2.Token
	idToken  string
}

// run signs a person in, and out when they press Enter or leave.
func (a *app) run(ctx context.Context, in io.Reader, out io.Writer) error {
	if err := a.discover(ctx); err != nil {
		return err
	}
	name, err := a.login(ctx, out)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Hello %s. Press Enter to sign out.\n", name)
	enter := make(chan struct{})
	go func() {
		_, _ = bufio.NewReader(in).ReadString('\n') // the end of the input is an answer too
		close(enter)
	}()
	watching, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.watch(watching)
	}()
	elsewhere := false
	select {
	case <-ended:
		elsewhere = ctx.Err() == nil
	case <-enter:
	}
	stop()
	<-ended
	if elsewhere {
		fmt.Fprintln(out, "You were signed out elsewhere.")
		return nil
	}
	if err := a.logout(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	fmt.Fprintln(out, "You are signed out.")
	return nil
}

// discover reads the provider's metadata.
func (a *app) discover(ctx context.Context) (err error) {
	if a.provider, err = oidc.NewProvider(ctx, a.issuer); err != nil {
		return err
	}
	// Without offline_access the tokens die with the session: a logout anywhere signs the person out here too.
	a.oauth = oauth2.Config{ClientID: a.clientID, Endpoint: a.provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID, "profile"}}
	a.oauth.Endpoint.AuthStyle = oauth2.AuthStyleInParams // a public client: client_id, and no secret
	return nil
}
