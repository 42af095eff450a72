package logout_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/database"
	"github.com/exeunt-id/exeunt/database/databasetest"
	"github.com/exeunt-id/exeunt/logout"
)

// Front-Channel Logout 1.0: pages for the browser of the session, nothing for the engine to do, and never "delivered".
func TestFrontchannel(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := newStage(t, db, 4, nil)
		front, both, none := s.rps[0].Client(), s.rps[1].Client(), s.rps[3].Client()
		front.BackchannelLogoutURI, front.FrontchannelLogoutURI = "", "https://front.example.com/out?kept=a%20b"
		both.FrontchannelLogoutURI = "https://both.example.com/out"
		none.BackchannelLogoutURI = ""
		s.clients.Put(front, both, none)

		type row struct {
			client  string
			channel logout.Channel
			state   logout.State
		}
		for name, test := range map[string]struct {
			browser bool
			rows    []row
			frames  []string
		}{
			"in the session's browser": {true, []row{
				{"rp-0", logout.ChannelFrontchannel, logout.StateUnconfirmed},
				{"rp-1", logout.ChannelBackchannel, logout.StateDelivered},
				{"rp-1", logout.ChannelFrontchannel, logout.StateUnconfirmed},
				{"rp-2", logout.ChannelBackchannel, logout.StateDelivered},
				{"rp-3", logout.ChannelBackchannel, logout.StateUnreachable},
			}, []string{"https://front.example.com/out?kept=a%20b&iss=", "https://both.example.com/out?iss="}},
			"elsewhere": {false, []row{
				{"rp-0", logout.ChannelBackchannel, logout.StateUnreachable},
				{"rp-1", logout.ChannelBackchannel, logout.StateDelivered},
				{"rp-2", logout.ChannelBackchannel, logout.StateDelivered},
				{"rp-3", logout.ChannelBackchannel, logout.StateUnreachable},
			}, nil},
		} {
			t.Run(name, func(t *testing.T) {
				session := s.login(t, "alice")
				req := logout.Request{Cause: logout.CauseRPInitiated, Target: logout.Target{SessionID: session.ID}}
				if test.browser {
					req.BrowserSessionID = session.ID
				}
				out, err := s.End(t.Context(), req)
				if err != nil {
					t.Fatal(err)
				}
				sids := map[string]string{}
				for _, part := range out.Leaving {
					sids[part.ClientID] = part.SID
				}
				if len(out.Frames) != len(test.frames) {
					t.Fatalf("frames %v", out.Frames)
				}
				for i, f := range out.Frames {
					if want := test.frames[i] + url.QueryEscape(issuer) + "&sid=" + sids[f.ClientID]; f.URI != want || f.Name == "" {
						t.Errorf("frame %+v, want %s", f, want)
					}
				}
				var got []row
				for _, r := range s.Wait(t.Context(), out.LogoutID, 10*time.Second) {
					got = append(got, row{r.ClientID, r.Channel, r.State})
				}
				if len(got) != len(test.rows) {
					t.Fatalf("receipts %v", got)
				}
				for i, want := range test.rows {
					if got[i] != want {
						t.Errorf("receipt %d: %v, want %v", i, got[i], want)
					}
				}
				if n, err := s.Redeliver(t.Context(), logout.Filter{LogoutID: out.LogoutID}); n != 0 || err != nil {
					t.Errorf("%d deliveries made due again (%v); there is nothing to try", n, err)
				}
			})
		}
	})
}

// A logout that only the front channel carries needs no job.
func TestFrontchannelNeedsNoJob(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		s := newStage(t, db, 1, nil)
		front := s.rps[0].Client()
		front.BackchannelLogoutURI, front.FrontchannelLogoutURI = "", "https://front.example.com/out"
		s.clients.Put(front)
		session := s.login(t, "alice")
		out, err := s.End(t.Context(), logout.Request{Cause: logout.CauseRedirect, Target: logout.Target{SessionID: session.ID}, BrowserSessionID: session.ID})
		if err != nil || len(out.Receipts) != 1 || out.Receipts[0].State != logout.StateUnconfirmed || !out.Receipts[0].State.Final() {
			t.Fatalf("%+v, %v", out, err)
		}
		if n := jobs(t, db); n != 0 {
			t.Errorf("%d jobs", n)
		}
		if len(s.rps[0].Asked()) != 0 {
			t.Error("the engine called the client")
		}
	})
}
