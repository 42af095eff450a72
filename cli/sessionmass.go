package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
)

// massLine is a mass logout as --json prints it.
type massLine struct {
	ID         string    `json:"id"`
	State      string    `json:"state"`
	Cause      string    `json:"cause"`
	Actor      string    `json:"actor"`
	Subject    string    `json:"sub,omitempty"`
	ClientID   string    `json:"client_id,omitempty"`
	Rate       int       `json:"rate,omitempty"` // sessions per second
	Total      int       `json:"total"`
	Done       int       `json:"done"`
	Offline    int       `json:"offline"` // of older sessions, whose offline grants it revoked
	CreatedAt  time.Time `json:"created_at"`
	ChangedAt  time.Time `json:"changed_at"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
}

// massStatus shows the newest mass logouts, or those with the given ids.
func massStatus(ctx context.Context, o *provider.Operator, ids []string, asJSON bool, env Env) error {
	var all []logout.Mass
	var err error
	if len(ids) == 0 {
		all, err = o.Masses(ctx, defaultLimit)
	} else {
		all, err = masses(ctx, o.Mass, ids)
	}
	if err != nil {
		return err
	}
	if asJSON {
		lines := make([]massLine, len(all))
		for i, m := range all {
			lines[i] = massLine{
				ID: m.ID, State: string(m.State), Cause: string(m.Request.Cause), Actor: m.Request.Actor.ID, Subject: m.Request.Target.Subject,
				ClientID: m.Request.Target.ClientID, Rate: m.Rate, Total: m.Total, Done: m.Done, Offline: m.Offline, CreatedAt: m.CreatedAt, ChangedAt: m.ChangedAt, FinishedAt: m.FinishedAt,
			}
		}
		return writeJSON(env.Stdout, lines...)
	}
	return writeMasses(env, all)
}

func massCancel(ctx context.Context, o *provider.Operator, ids []string, env Env) error {
	all, err := masses(ctx, o.CancelMass, ids)
	if err != nil {
		return err
	}
	return writeMasses(env, all)
}

func masses(ctx context.Context, do func(context.Context, string) (logout.Mass, error), ids []string) ([]logout.Mass, error) {
	var all []logout.Mass
	for _, id := range ids {
		m, err := do(ctx, id)
		if errors.Is(err, logout.ErrNoMass) {
			return nil, fmt.Errorf("there is no mass logout %s; `exeunt session end --status` shows all", shown(id))
		}
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

func writeMasses(env Env, all []logout.Mass) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(env.Stdout, "No mass logouts.")
		return err
	}
	t := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSTATE\tENDED\tOF\tWHOSE\tRATE\tASKED\tBY\tPROGRESS")
	for _, m := range all {
		rate := "-"
		if m.Rate > 0 {
			rate = strconv.Itoa(m.Rate) + "/s"
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", m.ID, m.State, m.Done, m.Total, whose(m.Request.Target), rate, clock(m.CreatedAt),
			shown(m.Request.Actor.ID), clock(m.ChangedAt))
	}
	return t.Flush()
}

// whose names the target of a mass logout.
func whose(t logout.Target) string {
	switch {
	case t.Subject != "" && t.ClientID != "":
		return "user " + shown(t.Subject) + " at client " + shown(t.ClientID)
	case t.Subject != "":
		return "user " + shown(t.Subject)
	case t.ClientID != "":
		return "client " + shown(t.ClientID)
	}
	return "everyone"
}

// rateFlag is a number per second, written 100/s or 100.
type rateFlag int

// String implements flag.Value.
func (r *rateFlag) String() string {
	if *r == 0 {
		return ""
	}
	return strconv.Itoa(int(*r)) + "/s"
}

// Set implements flag.Value.
func (r *rateFlag) Set(s string) error {
	n, err := strconv.Atoi(strings.TrimSuffix(s, "/s"))
	if err != nil || n < 1 {
		return errors.New("write a number of sessions per second, such as 100/s")
	}
	*r = rateFlag(n)
	return nil
}
