package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/identity"
)

func TestInEnd(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		for _, tt := range []struct {
			name    string
			cause   logout.Cause
			target  func(f *people) logout.Target
			leaving func(f *people) []string
			revoked []string // of the grants in people
		}{
			{
				"an ordinary logout revokes nothing", logout.CauseRedirect, func(p *people) logout.Target { return logout.Target{SessionID: p.now} },
				func(p *people) []string { return p.sids }, nil,
			},
			{
				"a session", logout.CauseAdmin, func(p *people) logout.Target { return logout.Target{SessionID: p.now} },
				func(p *people) []string { return p.sids },
				[]string{"now shop", "now mail"},
			},
			{
				"a person, grants of ended sessions too", logout.CauseUserDisabled, func(*people) logout.Target { return logout.Target{Subject: "alice"} },
				func(p *people) []string { return p.sids },
				[]string{"now shop", "now mail", "old shop", "old mail"},
			},
			{
				"all others of a person", logout.CausePasswordChanged, func(p *people) logout.Target { return logout.Target{Subject: "alice", ExceptSessionID: p.now} },
				func(*people) []string { return nil },
				[]string{"old shop", "old mail"},
			},
			{"one app of a person", logout.CauseAccountApp, func(*people) logout.Target {
				return logout.Target{Subject: "alice", ClientID: "shop", OnlyParticipation: true}
			}, func(p *people) []string { return p.sids[:1] }, []string{"now shop", "old shop"}},
			{"a person's sessions with an app: its neighbours in them too", logout.CauseAdmin, func(*people) logout.Target {
				return logout.Target{Subject: "alice", ClientID: "shop"}
			}, func(p *people) []string { return p.sids }, []string{"now shop", "now mail", "old shop"}},
			{
				"a client", logout.CauseAdmin, func(*people) logout.Target { return logout.Target{ClientID: "shop"} },
				func(p *people) []string { return p.sids },
				[]string{"now shop", "now mail", "old shop", "bob shop"},
			},
			{
				"a device", logout.CauseDeviceDetached, func(*people) logout.Target { return logout.Target{DeviceID: "phone"} },
				func(*people) []string { return nil },
				[]string{"old shop", "old mail"},
			},
			{
				"everybody", logout.CauseAdmin, func(*people) logout.Target { return logout.Target{Everyone: true} },
				func(p *people) []string { return p.sids },
				[]string{"now shop", "now mail", "old shop", "old mail", "bob shop"},
			},
			{
				"a batch of everybody's sessions", logout.CauseAdmin, func(*people) logout.Target {
					return logout.Target{Everyone: true, Part: logout.Part{Limit: 1}}
				},
				func(p *people) []string { return p.sids[:1] },
				[]string{"now shop"},
			},
			{"a stolen token", logout.CauseTokenReuse, func(p *people) logout.Target {
				return logout.Target{SessionID: p.now, ClientID: "shop", OnlyParticipation: true}
			}, func(p *people) []string { return p.sids[:1] }, []string{"now shop"}},
			{"a stolen token of a session that ended", logout.CauseTokenReuse, func(*people) logout.Target {
				return logout.Target{Subject: "alice", ClientID: "shop", OnlyParticipation: true}
			}, func(*people) []string { return nil }, nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				ctx := t.Context()
				must(t, f.db.Writer(ctx).Exec(`DELETE FROM grants`).Error)
				must(t, f.db.Writer(ctx).Exec(`UPDATE logout_sessions SET device_id = ''`).Error)
				p := newPeople(t, f)
				plan := &logout.Plan{
					At: f.now(), RevokeOffline: tt.cause.RevokesOffline(), Request: logout.Request{Cause: tt.cause, Target: tt.target(p)},
				}
				for _, sid := range tt.leaving(p) {
					plan.Leaving = append(plan.Leaving, logout.Participation{SID: sid})
				}
				must(t, plan.Request.Validate())
				must(t, f.InEnd(ctx, plan))
				var revoked []string
				for name, g := range p.grants {
					if !f.state(t, g, "r").Grant.RevokedAt.IsZero() {
						revoked = append(revoked, name)
					}
				}
				slices.Sort(revoked)
				slices.Sort(tt.revoked)
				if !slices.Equal(revoked, tt.revoked) {
					t.Errorf("revoked %q; want %q", revoked, tt.revoked)
				}
			})
		}
	})
}

// What outlived sessions is found in parts, and spared if its session began too late.
func TestSurviving(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		newPeople(t, f)
		for name, tt := range map[string]struct {
			target logout.Target
			want   int
		}{
			"everybody":              {logout.Target{Everyone: true}, 2},
			"a part":                 {logout.Target{Everyone: true, Part: logout.Part{Limit: 1, Offline: true}}, 1},
			"a client":               {logout.Target{ClientID: "shop"}, 1},
			"sessions before now":    {logout.Target{Everyone: true, Before: f.now().Add(time.Second)}, 2},
			"sessions of yesteryear": {logout.Target{Everyone: true, Before: f.now().Add(-time.Hour)}, 0},
		} {
			found, err := f.Surviving(t.Context(), logout.Request{Cause: logout.CauseAdmin, Target: tt.target})
			if must(t, err); len(found) != tt.want {
				t.Errorf("%s: %d, want %d", name, len(found), tt.want)
			}
		}
	})
}

// people are alice, who has a session and one that ended on her phone, and bob; each with offline grants of the apps they use.
type people struct {
	now    string // alice's live session
	sids   []string
	grants map[string]identity.Grant
}

func newPeople(t *testing.T, f *fixture) *people {
	t.Helper()
	p := &people{grants: map[string]identity.Grant{}}
	add := func(name, subject, client, session, sid string) {
		p.grants[name] = f.grant(t, identity.Grant{ClientID: client, Subject: subject, SessionID: session, SID: sid, Offline: true})
	}
	p.now, p.sids = f.session(t, "alice", "shop", "mail")
	add("now shop", "alice", "shop", p.now, p.sids[0])
	add("now mail", "alice", "mail", p.now, p.sids[1])
	old, sids := f.session(t, "alice", "shop", "mail")
	must(t, f.db.Writer(t.Context()).Exec(`UPDATE logout_sessions SET ended_at = 1, device_id = 'phone' WHERE id = ?`, old).Error)
	add("old shop", "alice", "shop", old, sids[0])
	add("old mail", "alice", "mail", old, sids[1])
	bob, sids := f.session(t, "bob", "shop")
	add("bob shop", "bob", "shop", bob, sids[0])
	add("shop itself", "", "shop", "", "") // by client credentials
	return p
}
