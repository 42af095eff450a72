package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// listen opens a port. source is what chose the address, the key `listen` or a flag, and is named when that fails.
func listen(ctx context.Context, address, source string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen %s: the address is already in use; is another exeunt running? Stop what uses it, or change %s", address, source)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("listen %s: permission denied; ports below 1024 need a privilege. Change %s to a higher one, behind a reverse proxy", address, source)
	case err != nil:
		return nil, fmt.Errorf("listen %s: %w; change %s", address, err, source)
	}
	return listener, nil
}
