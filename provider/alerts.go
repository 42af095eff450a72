package provider

import (
	"strings"

	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider/alert"
	"github.com/exeunt-id/exeunt/provider/protocol"
	"github.com/exeunt-id/exeunt/provider/store"
)

// alerts writes to the people behind clients that cannot be told. Without Config.Mail nobody starts it.
type alerts struct {
	watcher *alert.Watcher
	post    *alert.Post
}

func newAlerts(cfg Config, s *store.Store) alerts {
	return alerts{
		watcher: &alert.Watcher{
			Watch: s.Alerts, Ladder: s.Alerts, Clients: s.Clients, Operator: cfg.MailOperator, Issuer: cfg.Issuer, RetryFor: cfg.Logout.RetryFor,
			PullURL: strings.TrimSuffix(cfg.Issuer, "/") + protocol.PathEvents, NewID: logout.NewID, Now: cfg.Now, Logger: cfg.Logger,
		},
		post: &alert.Post{Outbox: s.Mails, Sender: cfg.Mail, Now: cfg.Now, Logger: cfg.Logger},
	}
}
