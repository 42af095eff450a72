package cli

import (
	"context"
	"log/slog"
	"net"
	"strconv"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/demo"
)

// stage is what the demo plays on: the ports, which make the issuer and the apps' addresses, and the apps.
type stage struct {
	provider  net.Listener
	admin     net.Listener
	listeners []net.Listener // of apps, in their order
	configs   []demo.Config
	apps      []*demo.App
}

// openStage takes the ports and makes the apps. An error about a port names the flag that changes it.
func openStage(ctx context.Context, o demoOptions, log *slog.Logger) (s *stage, err error) {
	s = &stage{configs: demo.Apps()}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.provider, err = listen(ctx, localhost(o.port), "--port"); err != nil {
		return s, err
	}
	if s.admin, err = listen(ctx, localhost(o.adminPort), "--admin-port"); err != nil {
		return s, err
	}
	for i := range s.configs {
		port := o.appPort
		if port != 0 {
			port += i
		}
		listener, err := listen(ctx, localhost(port), "--app-port")
		if err != nil {
			return s, err
		}
		s.listeners = append(s.listeners, listener)
		s.configs[i].Issuer, s.configs[i].BaseURL, s.configs[i].Logger = s.issuer(), address(listener), log
	}
	for _, c := range demo.Connect(s.configs) {
		app, err := demo.New(c)
		if err != nil {
			return s, err
		}
		s.apps = append(s.apps, app)
	}
	return s, nil
}

// close closes the ports. Closing again what a server has closed does no harm.
func (s *stage) close() {
	if s.provider != nil {
		_ = s.provider.Close()
	}
	if s.admin != nil {
		_ = s.admin.Close()
	}
	for _, listener := range s.listeners {
		_ = listener.Close()
	}
}

func (s *stage) issuer() string { return address(s.provider) }

// clients returns the apps as the provider must know them.
func (s *stage) clients() []config.Client {
	clients := make([]config.Client, len(s.configs))
	for i, c := range s.configs {
		r := c.Registration()
		clients[i] = config.Client{
			ClientID: r.ClientID, ClientSecret: config.Secret(r.ClientSecret), ClientName: r.ClientName, ApplicationType: r.ApplicationType,
			TokenEndpointAuthMethod: r.TokenEndpointAuthMethod, GrantTypes: r.GrantTypes, ResponseTypes: r.ResponseTypes, Scope: r.Scope,
			RedirectURIs: r.RedirectURIs, PostLogoutRedirectURIs: r.PostLogoutRedirectURIs, BackchannelLogoutURI: r.BackchannelLogoutURI,
			BackchannelLogoutSessionRequired: r.BackchannelLogoutSessionRequired, IDTokenSignedResponseAlg: r.IDTokenSignedResponseAlg,
			SkipConsent: r.SkipConsent, AllowPrivateNetwork: r.AllowPrivateNetwork,
		}
	}
	return clients
}

// localhost returns the address to listen on: of this machine only, and the name under which a browser counts as secure.
func localhost(port int) string { return net.JoinHostPort("localhost", strconv.Itoa(port)) }

// address is where a browser reaches a listener.
func address(listener net.Listener) string {
	return "http://" + localhost(listener.Addr().(*net.TCPAddr).Port)
}
