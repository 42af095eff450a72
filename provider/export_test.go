package provider

import "context"

// LookForTrouble and SendMails do at once what runs in the background.
func (p *Provider) LookForTrouble(ctx context.Context) error { return p.alerts.watcher.Look(ctx) }

// SendMails sends what is due.
func (p *Provider) SendMails(ctx context.Context) error { return p.alerts.post.Send(ctx) }

// Operator acts beside the provider.
func (p *Provider) Operator() *Operator { return p.operator }

// Sweep does at once what runs in the background.
func (p *Provider) Sweep(ctx context.Context) error { return p.sweep(ctx) }
