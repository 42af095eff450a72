package provider

import "context"

// LookForTrouble and SendMails do at once what runs in the background.
func (p *Provider) LookForTrouble(ctx context.Context) error { return p.alerts.watcher.Look(ctx) }

// LookAfterPages does at once what is done every few seconds for connected pages.
func (p *Provider) LookAfterPages() { p.hub.Missed() }

// Pages is how many pages are connected.
func (p *Provider) Pages() int { return p.hub.Pages() }

// Online is what webhooks say of a device.
func (p *Provider) Online(ctx context.Context, deviceID string) (bool, error) {
	return p.store.Presence.Online(ctx, deviceID)
}

// SendMails sends what is due.
func (p *Provider) SendMails(ctx context.Context) error { return p.alerts.post.Send(ctx) }

// Operator acts beside the provider.
func (p *Provider) Operator() *Operator { return p.operator }

// Sweep does at once what runs in the background.
func (p *Provider) Sweep(ctx context.Context) error { return p.sweep(ctx) }

// Clean does at once what deletes what nobody needs any more.
func (p *Provider) Clean(ctx context.Context) error { return p.clean(ctx) }
