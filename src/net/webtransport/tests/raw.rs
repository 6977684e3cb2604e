//! Bytes in an order and of a kind that a proper client does not send, or only a lossy path brings about.

mod peer;

use self::peer::{CONTROL, Raw, connect, connect_with, get, refused, status};
use super::*;

/// Writes, and waits until the server has received it: what follows comes in another packet, and later.
async fn alone(raw: &Raw, stream: &mut quinn::SendStream, bytes: &[u8]) {
    let acknowledged = || raw.quic.stats().frame_rx.acks;
    let before = acknowledged();
    stream.write_all(bytes).await.unwrap();
    // QUIC tells nobody of an acknowledgement: its count is looked at.
    while acknowledged() == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn connect_may_come_before_settings() {
    on_shard(async {
        let server = Server::start();
        let client = async {
            let raw = Raw::connect(&server).await;
            let (mut send, mut recv) = raw.quic.open_bi().await.unwrap();
            alone(&raw, &mut send, &connect("/wt", None)).await;
            let mut control = raw.quic.open_uni().await.unwrap();
            for byte in CONTROL {
                alone(&raw, &mut control, &[byte]).await;
            }
            assert_eq!(status(&mut recv).await, 200);
            raw
        };
        let (raw, link) = tokio::join!(client, server.accept());
        let mut link = link.unwrap();
        // The first bytes one by one.
        let mut commands = raw.quic.open_bi().await.unwrap().0;
        for byte in [&[0x40, 0x41, 0x00][..], &framed("slowly")].concat() {
            alone(&raw, &mut commands, &[byte]).await;
        }
        assert_eq!(link.incoming.whole().await, Ok(Received::Event(Lane::Ordered, "slowly".into())));
    })
    .await;
}

#[tokio::test]
async fn streams_and_capsules_may_come_with_the_request() {
    on_shard(async {
        let server = Server::start();
        let client = async {
            let raw = Raw::connect(&server).await;
            let mut request = raw.quic.open_bi().await.unwrap();
            let mut first = raw.quic.open_bi().await.unwrap().0;
            // Of the two streams the second's packets come first.
            let mut second = raw.quic.open_bi().await.unwrap().0;
            alone(&raw, &mut second, &[&[0x40, 0x41, 0x00][..], &framed("urgent")].concat()).await;
            alone(&raw, &mut first, &[&[0x40, 0x41, 0x00][..], &framed("ordered")].concat()).await;
            let close = super::super::capsule::encode_close(4100, "hello and goodbye");
            request.0.write_all(&[&connect("/wt", None)[..], &close].concat()).await.unwrap();
            let control = raw.uni(&CONTROL).await;
            assert_eq!(status(&mut request.1).await, 200);
            (raw, control, first, second, request)
        };
        let (_kept, link) = tokio::join!(client, server.accept());
        let mut link = link.unwrap();
        link.incoming.admit();
        let mut got = Vec::new();
        let ended = loop {
            match link.incoming.whole().await {
                Ok(received) => got.push(received),
                Err(ended) => break ended,
            }
        };
        got.sort_by_key(|received| matches!(received, Received::Event(Lane::Ordered, _)));
        let expected =
            [(Lane::Urgent, "urgent"), (Lane::Ordered, "ordered")].map(|(l, t)| Received::Event(l, t.into()));
        assert_eq!(got, expected);
        assert_eq!(ended, Ended::Closed { code: 4100, reason: "hello and goodbye".into() });
    })
    .await;
}

#[tokio::test]
async fn other_requests_are_answered_before_and_after() {
    on_shard(async {
        let server = Server::start();
        let client = async {
            let raw = Raw::connect(&server).await;
            let control = raw.uni(&CONTROL).await;
            // Reserved for the session, which alone may be on the connection's first request stream.
            let mut session = raw.quic.open_bi().await.unwrap();
            let (_s, mut recv) = raw.bidi(&get()).await;
            assert_eq!(status(&mut recv).await, 404);
            let (_s, mut recv) = raw.bidi(&connect("/wt", None)).await;
            assert_eq!(status(&mut recv).await, 429);
            session.0.write_all(&connect("/wt", Some("https://a.example"))).await.unwrap();
            assert_eq!(status(&mut session.1).await, 200);
            let (_s, mut recv) = raw.bidi(&get()).await;
            assert_eq!(status(&mut recv).await, 404);
            let (_s, mut recv) = raw.bidi(&connect("/wt", None)).await;
            assert_eq!(status(&mut recv).await, 429);
            // A request that breaks off, one with a body and reserved frames, an unknown stream, a session's own.
            drop(raw.bidi(&[1, 20]).await);
            let (_s, mut recv) = raw.bidi(&[&[0x21, 1, 7][..], &get(), &[0, 3, 1, 2, 3]].concat()).await;
            assert_eq!(status(&mut recv).await, 404);
            let unknown = raw.uni(&[0x40, 0x54, 0x00, 1, 2]).await;
            assert!(unknown.stopped().await.unwrap().is_some());
            let unknown = raw.uni(&[0x21, 1, 2]).await;
            assert!(unknown.stopped().await.unwrap().is_some());
            (raw, session, control)
        };
        let ((raw, session, _kept), link) = tokio::join!(client, server.accept());
        let mut link = link.unwrap();
        let start = Instant::now();
        let (mut send, _recv) = session;
        // The end of the stream without a capsule.
        send.finish().unwrap();
        assert_eq!(link.incoming.whole().await, Err(Ended::Closed { code: 0, reason: String::new() }));
        raw.quic.closed().await;
        // Silence alone takes 30 s to be noticed.
        assert!(start.elapsed() < Duration::from_secs(10));
    })
    .await;
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused() {
    on_shard(async {
        let server = Server::start();
        let client = async {
            let raw = Raw::connect(&server).await;
            let _control = raw.uni(&CONTROL).await;
            let (_s, mut recv) = raw.bidi(&connect("/wt", Some("https://b.example"))).await;
            assert_eq!(status(&mut recv).await, 403);
            raw.quic.close(0u32.into(), b"");
        };
        let ((), link) = tokio::join!(client, server.accept());
        assert_eq!(link.unwrap_err(), HandshakeError::Refused(http::StatusCode::FORBIDDEN));
    })
    .await;
}

#[tokio::test]
async fn a_reset_of_the_sessions_stream_ends_it() {
    on_shard(async {
        let server = Server::start();
        let (raw, session, mut link) = Raw::begin(&server).await;
        let (mut send, _recv, _control) = session;
        send.reset(0u32.into()).unwrap();
        assert!(matches!(link.incoming.whole().await, Err(Ended::Closed { code: 0, .. })));
        raw.quic.closed().await;
    })
    .await;
}

/// What breaks HTTP/3 in one way or another, each on a session of its own.
#[tokio::test]
async fn rubbish_ends_only_its_own_link() {
    on_shard(async {
        let server = Server::start();
        let (session, mut good) = server.session().await;
        let uni: [&[u8]; 4] = [
            &CONTROL,                         // a second control stream
            &[&[0x02], &[0x02][..]].concat(), // an encoder stream with rubbish: nothing reads it
            &[0x03],
            &[0x00],
        ];
        let bidi: [&[u8]; 6] = [
            &[0x00, 1, 1],                   // DATA before HEADERS
            &[0x04, 0],                      // SETTINGS on a request
            &[1, 2, 0xff, 0xff],             // broken QPACK
            &[1, 0],                         // no fields at all
            &[1, 0xbf, 0xff, 0xff, 0xff],    // a gigabyte of fields
            &[0x40, 0x41, 0x04, 1, 2, 3, 4], // a stream of another session
        ];
        for case in uni.iter().map(|c| (true, *c)).chain(bidi.iter().map(|c| (false, *c))) {
            let (raw, _session, mut link) = Raw::begin(&server).await;
            let _kept = if case.0 {
                (Some(raw.uni(case.1).await), None)
            } else {
                (None, Some(raw.bidi(case.1).await))
            };
            let _ = timeout(Duration::from_millis(50), link.incoming.whole()).await;
        }
        session.send_datagram(Bytes::from_static(b"alive")).unwrap();
        good.incoming.admit();
        assert_eq!(good.incoming.whole().await, Ok(Received::Ticks("alive".into())));
    })
    .await;
}

/// Valid beginnings with bytes changed at random (the same ones every time), before a session and on one.
#[tokio::test]
async fn changed_bytes_end_at_most_their_own_link() {
    on_shard(async {
        let mut server = Server::start();
        let mut state = 7u64;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        let valid =
            [CONTROL.to_vec(), connect("/wt", None), get(), [&[0x40, 0x41, 0][..], &framed("x")].concat()];
        for round in 0..80 {
            // Without a session most of these clients are waited for until the end.
            server.config.handshake = Duration::from_millis(if round % 2 == 0 { 5000 } else { 60 });
            let mut cases: Vec<_> = (0..6).map(|_| valid[random(valid.len())].clone()).collect();
            for case in &mut cases {
                for _ in 0..=random(3) {
                    let at = random(case.len());
                    case[at] = random(256) as u8;
                }
            }
            let client = async {
                let raw = Raw::connect(&server).await;
                let session = if round % 2 == 0 { Some(raw.session().await) } else { None };
                let mut kept = Vec::new();
                for (index, case) in cases.iter().enumerate() {
                    // The connection may be gone already, which is an answer too.
                    let stream = match index % 2 {
                        0 => raw.quic.open_uni().await.map(|send| (send, None)),
                        _ => raw.quic.open_bi().await.map(|(send, recv)| (send, Some(recv))),
                    };
                    let Ok((mut send, recv)) = stream else { break };
                    let _ = send.write_all(case).await;
                    kept.push((send, recv));
                }
                (raw, session, kept)
            };
            let (_client, link) = tokio::join!(client, server.accept());
            let Ok(mut link) = link else { continue };
            link.incoming.admit();
            let end = async {
                loop {
                    if let Err(ended) = link.incoming.whole().await {
                        break ended;
                    }
                }
            };
            if let Ok(Ended::Lost(why)) = timeout(Duration::from_millis(30), end).await {
                assert!(!why.contains("dropped"), "a helper task panicked");
            }
        }
        server.config.handshake = Duration::from_secs(5);
        let _ = server.session().await;
    })
    .await;
}

/// A datagram of another stream means nothing, and is charged as a sign of life is.
#[tokio::test]
async fn datagrams_of_other_streams_are_told_once_the_peer_is_admitted() {
    on_shard(async {
        let server = Server::start();
        let (raw, _session, mut link) = Raw::begin(&server).await;
        link.incoming.admit();
        raw.quic.send_datagram(Bytes::from_static(&[1, 7])).unwrap();
        assert_eq!(link.incoming.whole().await, Ok(Received::Alive));
        raw.quic.send_datagram(Bytes::from_static(&[0, 7])).unwrap();
        assert_eq!(link.incoming.whole().await, Ok(Received::Ticks(Bytes::from_static(&[7]))));
    })
    .await;
}

/// What HTTP/3 asks to end the connection for, and with which code.
#[tokio::test]
async fn broken_rules_end_the_connection_with_their_code() {
    enum On {
        /// On a new unidirectional stream.
        Uni,
        /// On a new bidirectional stream.
        Bidi,
        /// On the control stream.
        Control,
        /// On the session's.
        Session,
        Datagram,
    }
    on_shard(async {
        let server = Server::start();
        let cases: [(On, &'static [u8], u32); 15] = [
            (On::Uni, &[0x00, 4, 0], 0x103),
            (On::Uni, &[0x01, 0], 0x103),
            (On::Uni, &[0x02, 0x21], 0x201),
            (On::Uni, &[0x02, 0xc0, 1, b'x'], 0x201),
            (On::Uni, &[0x03, 0x80], 0x202),
            (On::Uni, &[0x03, 0x01], 0x202),
            (On::Bidi, &[0x00, 1, 1], 0x105),
            (On::Bidi, &[0x09, 0], 0x105),
            (On::Control, &[0x09, 0], 0x105),
            (On::Control, &[0x0d, 1, 5, 0x0d, 1, 4], 0x108),
            (On::Control, &[0x03, 1, 0], 0x108),
            (On::Session, &[0x06, 0], 0x105),
            (On::Session, &[0x01, 1, 0], 0x105),
            (On::Datagram, &[], 0x33),
            (On::Datagram, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 0x33),
        ];
        for (on, bytes, code) in cases {
            let (raw, (mut session, _recv, mut control), mut link) = Raw::begin(&server).await;
            link.incoming.admit();
            let mut kept = Vec::new();
            match on {
                On::Uni => kept.push(raw.uni(bytes).await),
                On::Bidi => kept.push(raw.bidi(bytes).await.0),
                On::Control => control.write_all(bytes).await.unwrap(),
                On::Session => session.write_all(bytes).await.unwrap(),
                On::Datagram => raw.quic.send_datagram(Bytes::from_static(bytes)).unwrap(),
            }
            let reads = async { while link.incoming.whole().await.is_ok() {} };
            let (closed, ()) = tokio::join!(raw.quic.closed(), reads);
            let quinn::ConnectionError::ApplicationClosed(close) = closed else {
                panic!("{bytes:?}: {closed}")
            };
            assert_eq!(close.error_code, code.into(), "{bytes:?}");
        }
        // QPACK's streams say little: what goes on saying nothing is no more free than other messages.
        for (kind, nothing) in [(0x02, 0x20), (0x03, 0x44)] {
            let (raw, _session, mut link) = Raw::begin(&server).await;
            let endless = async {
                let mut stream = raw.uni(&[kind]).await;
                while stream.write_all(&[nothing; 4096]).await.is_ok() {}
            };
            let reads = async { while link.incoming.whole().await.is_ok() {} };
            let (closed, (), ()) = tokio::join!(raw.quic.closed(), endless, reads);
            let quinn::ConnectionError::ApplicationClosed(close) = closed else { panic!("{kind}: {closed}") };
            assert_eq!(close.error_code, 0x107u32.into(), "{kind}");
        }
        // A setting that cannot be, before there is a session.
        let client = async {
            let raw = Raw::connect(&server).await;
            let _control = raw.uni(&[0x00, 0x04, 2, 0x33, 2]).await;
            raw.quic.closed().await
        };
        let (closed, link) = tokio::join!(client, server.accept());
        assert!(link.is_err());
        let quinn::ConnectionError::ApplicationClosed(close) = closed else { panic!("{closed}") };
        assert_eq!(close.error_code, 0x109u32.into());
    })
    .await;
}

/// RFC 9297, section 3.3: the message is malformed, which is an error of the session's stream, and of nothing else.
#[tokio::test]
async fn a_malformed_capsule_is_an_error_of_its_stream() {
    on_shard(async {
        let server = Server::start();
        // A close that is too long, one too short, one in no language, and one that is cut off.
        let cases: [(&[u8], bool); 4] = [
            (&[0, 6, 0x68, 0x43, 0x84, 0x06, 0, 0], false),
            (&[0, 5, 0x68, 0x43, 2, 0, 0], false),
            (&[0, 8, 0x68, 0x43, 5, 0, 0, 0, 1, 0xff], false),
            (&[0, 4, 0x68, 0x43, 6, 0], true),
        ];
        for (bytes, ends) in cases {
            let (raw, (mut session, mut recv, _control), mut link) = Raw::begin(&server).await;
            session.write_all(bytes).await.unwrap();
            if ends {
                session.finish().unwrap();
            }
            let Err(Ended::Violation(_)) = link.incoming.whole().await else { panic!("{bytes:?}") };
            let Outgoing::Lanes { closer, .. } = link.outgoing else { panic!("lanes") };
            let peer = async {
                let reset = recv.read_chunk(1, true).await;
                assert_eq!(reset.unwrap_err(), quinn::ReadError::Reset(0x10e_u32.into()), "{bytes:?}");
                if !ends {
                    assert_eq!(session.stopped().await.unwrap(), Some(0x10e_u32.into()));
                }
                raw.quic.closed().await
            };
            let (closed, ()) = tokio::join!(peer, closer.close(4203, "protocol violation"));
            let quinn::ConnectionError::ApplicationClosed(close) = closed else { panic!("{closed}") };
            assert_eq!(close.error_code, 0x100_u32.into(), "{bytes:?}");
        }
    })
    .await;
}

/// Of two names for what is asked, none is meant for certain.
#[tokio::test]
async fn a_request_that_names_something_twice_opens_no_session() {
    on_shard(async {
        let server = Server::start();
        for more in [
            &[("origin", "https://a.example"), ("origin", "https://a.example")][..],
            &[("host", "localhost"), ("host", "localhost")],
            &[("host", "other.example")],
            &[(":authority", "localhost")],
            &[(":path", "/wt")],
            &[(":protocol", "webtransport")],
            &[(":status", "200")],
        ] {
            let client = async {
                let raw = Raw::connect(&server).await;
                let _control = raw.uni(&CONTROL).await;
                let (_send, mut recv) = raw.bidi(&connect_with(more)).await;
                let answer = timeout(Duration::from_secs(5), refused(&mut recv)).await;
                raw.quic.close(0u32.into(), b"");
                answer.expect("an answer")
            };
            let (refused, link) = tokio::join!(client, server.accept());
            assert!(link.is_err(), "{more:?}");
            assert!(refused, "{more:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_may_move_to_another_address() {
    on_shard(async {
        let server = Server::start();
        let (raw, _session, mut link) = Raw::begin(&server).await;
        raw.endpoint.rebind(std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).unwrap();
        let _commands = raw.bidi(&[&[0x40, 0x41, 0x00][..], &framed("moved")].concat()).await;
        assert_eq!(link.incoming.whole().await, Ok(Received::Event(Lane::Ordered, "moved".into())));
    })
    .await;
}

#[tokio::test]
async fn a_client_that_says_nothing_is_dropped() {
    on_shard(async {
        let mut server = Server::start();
        server.config.handshake = Duration::from_millis(200);
        let (raw, link) = tokio::join!(Raw::connect(&server), server.accept());
        assert_eq!(link.unwrap_err(), HandshakeError::Timeout);
        raw.quic.closed().await;
    })
    .await;
}
