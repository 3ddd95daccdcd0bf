"""A client that uses the module varlink: reads the status, then prints the
names of events.  Used by varlink.test.

usage: python3 varlink_client.py SOCKET
"""

import sys

import varlink


def fails(error, method, **parameters):
    """The call returns that error."""
    try:
        method(**parameters)
    except varlink.VarlinkError as found:
        if found.error() == error:
            return
        sys.exit(f'{found.error()} instead of {error}')
    sys.exit('no error ' + error)


def main():
    with varlink.Client('unix:' + sys.argv[1]) as client:
        assert client.get_interfaces() == [
            'org.varlink.service', 'io.vrngd.Status']
        vrngd = client.open('io.vrngd.Status')
        status = vrngd.Get()['status']
        assert status['schema'] == 1
        assert [pool['name'] for pool in status['pools']] == ['default', 'dry']
        pool, = vrngd.Get(guest='vm1')['status']['pools']
        guest, = pool['guests']
        assert guest['name'] == 'vm1' and guest['class'] == 'gold'
        fails('io.vrngd.Status.UnknownGuest', vrngd.Get, guest='vm7')
        fails('io.vrngd.Status.UnknownPool', vrngd.Get, pool='wet')
        fails('org.varlink.service.ExpectedMore', vrngd.Monitor)
        for reply in vrngd.Monitor(_more=True):
            if reply.get('event'):
                print('event', reply['event']['event'], flush=True)


if __name__ == '__main__':
    main()
