//go:build !linux

package databasetest

import "syscall"

// dieWithParent has no equivalent here: a server that outlives a killed test binary must be stopped by hand.
func dieWithParent(attr *syscall.SysProcAttr) *syscall.SysProcAttr { return attr }
