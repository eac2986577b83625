import { Badge, Box, Button, HStack, Table, Text } from "@chakra-ui/react";

import type { FileEntry, FilesPreview, Member, TreePreview } from "../api/previews";
import { Digest } from "../components/Digest";
import { artifactKind, formatBytes, shortType } from "../lineage/format";
import { ArtifactIcon } from "../components/icons";
import { formatCount, plural } from "./cells";
import { Cut } from "./PictureView";

const SIGNS: Record<FileEntry["entry"], string> = { file: "", executable: "*", folder: "/", link: "" };

export const FilesView = ({ preview: { count, entries, name, of, size } }: { preview: FilesPreview }) => (
  <Box>
    <Text color="fg.muted" fontSize="xs" mb={1.5}>
      {of} <code>{name}</code>, {of === "folder" ? `${plural(count, "file")}, ` : ""}
      {formatBytes(size)}
    </Text>
    {of === "file" && entries.length <= 1 ? null : (
      <Box borderRadius="md" borderWidth="1px" maxH="360px" overflow="auto" tabIndex={0}>
        <Table.Root data-testid="preview-files" size="sm">
          <Table.Body>
            {entries.map(({ entry, path, size: bytes, target }) => (
              <Table.Row key={path}>
                <Table.Cell fontFamily="mono" fontSize="xs" overflowWrap="anywhere" px={2} py={0.5}>
                  {path}
                  {SIGNS[entry]}
                  {entry === "link" ? <Text as="span" color="fg.muted">{` → ${target}`}</Text> : null}
                </Table.Cell>
                <Table.Cell color="fg.muted" fontSize="xs" px={2} py={0.5} textAlign="end" whiteSpace="nowrap">
                  {entry === "folder" || entry === "link" ? entry : formatBytes(bytes)}
                </Table.Cell>
              </Table.Row>
            ))}
          </Table.Body>
        </Table.Root>
      </Box>
    )}
    {entries.length < count ? <Cut>The first {formatCount(entries.length)} are listed.</Cut> : null}
  </Box>
);

type Links = { knows: (id: string) => boolean; onSelect: (id: string) => void };

export const TreeView = ({ knows, onSelect, preview: { count, members, of, size } }: Links & { preview: TreePreview }) => (
  <Box>
    <Text color="fg.muted" fontSize="xs" mb={1.5}>
      {shortType(of)} of {plural(count, "member")}, {formatBytes(size)}
    </Text>
    <Box borderRadius="md" borderWidth="1px" maxH="360px" overflow="auto" tabIndex={0}>
      <Table.Root data-testid="preview-members" size="sm">
        <Table.Body>
          {members.map((member) => (
            <Table.Row key={member.key}>
              <Table.Cell fontFamily="mono" fontSize="xs" maxW="120px" overflowWrap="anywhere" px={2} py={1}>
                {member.key}
              </Table.Cell>
              <Table.Cell fontSize="xs" px={2} py={1}>
                <MemberCell knows={knows} member={member} onSelect={onSelect} />
              </Table.Cell>
            </Table.Row>
          ))}
        </Table.Body>
      </Table.Root>
    </Box>
    {members.length < count ? <Cut>The first {formatCount(members.length)} are listed.</Cut> : null}
  </Box>
);

/** A tiny value itself; else what it is, and the way to it: its node where the graph has one, its digest where not. */
const MemberCell = ({ knows, member, onSelect }: Links & { member: Member }) => {
  const { codec, digest, size, type, value } = member;
  if (value !== null) return <code>{value}</code>;
  const id = `artifact:${digest}`;
  return (
    <HStack gap={2} justify="space-between" wrap="wrap">
      <HStack gap={1.5} minW={0} title={`${type}, ${codec}`}>
        <ArtifactIcon kind={artifactKind(codec, null)} />
        <Text truncate>{shortType(type)}</Text>
        <Text color="fg.muted">{formatBytes(size)}</Text>
        {codec.endsWith("pickle/1") ? <Badge colorPalette="orange" size="xs">pickle</Badge> : null}
      </HStack>
      {knows(id) ? (
        <Button
          aria-label={`show member ${member.key}`}
          size="2xs"
          variant="outline"
          onClick={() => {
            onSelect(id);
          }}
        >
          show
        </Button>
      ) : (
        <Digest digest={digest} />
      )}
    </HStack>
  );
};
