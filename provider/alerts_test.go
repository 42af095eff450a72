package provider_test

import (
	"io"
	"mime/quotedprintable"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/logout/logoutstore"
	"github.com/exeunt-id/exeunt/logout/logouttest"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/mail"
	"github.com/exeunt-id/exeunt/provider/mail/mailtest"
)

// A relying party's endpoint dies and comes back: its people, and the operator, hear of it by real mails, in order, each once.
func TestMailsAboutADeadEndpoint(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		server := mailtest.Start(t, mailtest.Options{Username: "exeunt", Password: "s3cret"})
		sender, err := mail.New(mail.Config{
			Address: server.Address, From: "exeunt@id.example.com", Username: "exeunt", Password: "s3cret", TLS: mail.STARTTLS, RootCAs: server.RootCAs,
		})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, db, func(c *provider.Config) {
			c.Mail, c.MailOperator, c.Logout.Wait = sender, "ops@id.example.com", 0
			for i := range c.Clients {
				if c.Clients[i].ID == "shop" {
					c.Clients[i].Contacts = []string{"dev@shop.example.com"}
				}
			}
		})
		check := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		seen := 0
		// look moves the clock, and returns the new mails to the client's people once the operator has the same.
		look := func(after time.Duration) []mailtest.Mail {
			t.Helper()
			w.clock.Advance(after)
			check(w.provider.LookForTrouble(t.Context()))
			check(w.provider.SendMails(t.Context()))
			fresh := server.Mails()[seen:]
			seen += len(fresh)
			var toDev, toOps []mailtest.Mail
			for _, m := range fresh {
				if m.To == "dev@shop.example.com" {
					toDev = append(toDev, m)
				} else {
					toOps = append(toOps, m)
				}
			}
			if len(toDev) != len(toOps) {
				t.Errorf("%d mails to the client's people, %d to the operator", len(toDev), len(toOps))
			}
			return toDev
		}
		one := func(mails []mailtest.Mail, subject string, parts ...string) {
			t.Helper()
			if len(mails) != 1 || mails[0].Header.Get("Subject") != subject {
				t.Fatalf("%d mails: %+v; want one with the subject %q", len(mails), mails, subject)
			}
			text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(mails[0].Text)))
			check(err)
			for _, part := range parts {
				if !strings.Contains(string(text), part) {
					t.Errorf("%q lacks %q:\n%s", subject, part, text)
				}
			}
			for _, personal := range []string{"alice", "Alice", "bob", "@example.com"} {
				if strings.Contains(string(text), personal) {
					t.Errorf("%q shows %q", subject, personal)
				}
			}
		}
		none := func(mails []mailtest.Mail) {
			t.Helper()
			if len(mails) != 0 {
				t.Errorf("%d mails too many: %+v", len(mails), mails)
			}
		}
		open := func() []logout.Delivery {
			t.Helper()
			all, err := listDeliveries(t, db, logout.Filter{ClientID: "shop", States: []logout.State{logout.StateRetrying}})
			check(err)
			return all
		}

		w.rps["shop"].Answer(logouttest.Unavailable)
		for _, name := range []string{"alice", "bob"} {
			person := w.browser()
			person.firstSignOn("shop", name)
			person.get("/logout", endRequest("client_id", "shop")).want(http.StatusOK)
		}
		w.eventually("both have failed once", func() bool { return len(open()) == 2 })
		none(look(time.Minute))
		// Their next attempts lie ahead of a clock that has been moved, as if they had failed all the while.
		later := func() {
			check(db.Writer(t.Context()).Exec("UPDATE logout_deliveries SET next_at = ?, give_up_at = ? WHERE state = 'retrying'",
				w.clock.Now().Add(3*time.Hour).UnixMicro(), w.clock.Now().Add(4*time.Hour).UnixMicro()).Error)
		}
		later()
		one(look(5*time.Minute), "The shop does not take logout messages", "2 messages of 2 people", "HTTP 503", w.rps["shop"].URL, "tried again for 1 hour")
		none(look(30 * time.Minute))
		one(look(31*time.Minute), "The shop has not taken logout messages for over an hour")

		w.clock.Advance(4 * time.Hour)
		dying := open()[0]
		check(w.provider.Engine().DeliverOne(t.Context(), dying.ID, dying.NextAt))
		w.eventually("one has been given up", func() bool { return len(open()) == 1 })
		one(look(time.Minute), "The shop has missed logout messages", "given up      1 message", "exeunt delivery retry --client shop")

		w.rps["shop"].Answer(logouttest.OK)
		if n, err := w.provider.Engine().Redeliver(t.Context(), logout.Filter{ClientID: "shop"}); err != nil || n != 2 {
			t.Fatalf("redelivered %d, %v", n, err)
		}
		w.eventuallyTold("shop", 2)
		w.eventually("both are delivered", func() bool { return len(open()) == 0 })
		one(look(time.Minute), "The shop takes logout messages again", "Nothing waits any more")
		none(look(10 * time.Hour))
	})
}

func listDeliveries(t *testing.T, db *database.DB, f logout.Filter) ([]logout.Delivery, error) {
	t.Helper()
	return logoutstore.New(db).List(t.Context(), f)
}
