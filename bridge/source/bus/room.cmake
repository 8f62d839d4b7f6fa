# SPDX-License-Identifier: Apache-2.0
set(ROOM_LIBRARIES openssl libuv)
set(ROOM_ROOMS source_map source_cloudevents)
set(ROOM_TYPES amqp kafka mqtt nats)
