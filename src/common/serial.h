/*
 * The speeds of serial lines in baud that termios(3) defines, for the
 * configuration and the serial source.
 */
#ifndef VRNGD_SERIAL_H
#define VRNGD_SERIAL_H

/* clang-format off */
#define SERIAL_SPEEDS(X) \
	X(300) X(600) X(1200) X(1800) X(2400) X(4800) X(9600) X(19200) \
	X(38400) X(57600) X(115200) X(230400) X(460800) X(500000) X(576000) \
	X(921600) X(1000000) X(1152000) X(1500000) X(2000000) X(2500000) \
	X(3000000) X(3500000) X(4000000)
/* clang-format on */

#endif
