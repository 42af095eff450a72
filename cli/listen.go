package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"

	"github.com/exeunt-id/exeunt/config"
)

// listen opens a port. source is what chose the address, the key `listen` or a flag, and is named when that fails.
func listen(ctx context.Context, address, source string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &inUseError{address, source}
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listen %s: permission denied; ports below 1024 need a privilege. Change %s to a higher one, behind a reverse proxy", address, source)
	case err != nil:
		return nil, fmt.Errorf("listen %s: %w; change %s", address, err, source)
	}
	return listener, nil
}

type inUseError struct{ address, source string }

func (e *inUseError) Error() string {
	return fmt.Sprintf("listen %s: the address is already in use; is another exeunt running? Stop what uses it, or change %s", e.address, e.source)
}

// listenAdmin opens the admin listener; nil when there is none. Its default address may be taken by a second node on the same machine:
// that is no reason for not serving people. An address that somebody chose must be free.
func listenAdmin(ctx context.Context, address string, log *slog.Logger) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	listener, err := listen(ctx, address, "`admin_listen` in the configuration")
	var taken *inUseError
	if errors.As(err, &taken) && address == config.Default().AdminListen {
		log.Warn("no admin listener: its default address is in use; set admin_listen to another one, or to an empty value", "address", address)
		return nil, nil
	}
	return listener, err
}

// addressOf is for the log.
func addressOf(l net.Listener) string {
	if l == nil {
		return "none"
	}
	return l.Addr().String()
}
